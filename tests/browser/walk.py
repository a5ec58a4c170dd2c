"""A random walk through a call: two people press the buttons, and an oracle looks at what the other one gets."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.browser.caller import Caller

# What the page captures, with a screen of the test's own that moves and hums, chosen after a moment as a person would.
PRELOAD = """
    window.captures = [];
    const note = (stream) => { window.captures.push(...stream.getTracks()); return stream; };
    // An empty page has none.
    const mediaDevices = navigator.mediaDevices ?? { getUserMedia() {} };
    const ask = mediaDevices.getUserMedia.bind(mediaDevices);
    mediaDevices.getUserMedia = async (wanted) => note(await ask(wanted));
    let sound;
    mediaDevices.getDisplayMedia = async () => {
        await new Promise((chosen) => setTimeout(chosen, 100));
        sound ??= new AudioContext();
        const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
        const pen = canvas.getContext('2d');
        const stream = canvas.captureStream(15);
        const painting = setInterval(() => {
            pen.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`;
            pen.fillRect(0, 0, 320, 180);
            if (stream.getVideoTracks()[0].readyState === 'ended') clearInterval(painting);
        }, 60);
        const hum = new OscillatorNode(sound, { frequency: 300 });
        const end = sound.createMediaStreamDestination();
        hum.connect(end);
        hum.start();
        stream.addTrack(end.stream.getAudioTracks()[0]);
        return note(stream);
    };
    window.plays = (selector) => {
        const { muted, volume, paused, srcObject } = document.querySelector(selector);
        const [track] = srcObject?.getAudioTracks() ?? [];
        return !muted && volume > 0 && !paused && track?.readyState === 'live';
    };
    // How loud an element is at the most within some milliseconds, or as soon as it is loud; 0 for one that is muted.
    let ears;
    window.loudness = async (selector, milliseconds, enough) => {
        if (!window.plays(selector)) return 0;
        ears ??= new AudioContext();
        await ears.resume();
        const source = ears.createMediaStreamSource(document.querySelector(selector).srcObject);
        const analyser = new AnalyserNode(ears, { fftSize: 2048 });
        source.connect(analyser);
        const samples = new Float32Array(analyser.fftSize);
        let loudest = 0;
        for (const end = performance.now() + milliseconds; performance.now() < end && loudest < enough;) {
            analyser.getFloatTimeDomainData(samples);
            loudest = Math.max(loudest, ...samples.map(Math.abs));
            await new Promise((later) => setTimeout(later, 20));
        }
        source.disconnect();
        return loudest;
    };
"""
LOUD = 0.01
# Decoded ones: Firefox counts no shown ones in a window behind another.
SHOWN_FRAMES = """async (selector) => {
    const element = document.querySelector(selector);
    const seen = element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
    if (!seen || element.paused || element.classList.contains('dark')) return false;
    const [track] = element.srcObject?.getVideoTracks() ?? [];
    for (const report of (await window.connections.at(-1)?.getStats())?.values() ?? [])
        if (report.type === 'inbound-rtp' && report.trackIdentifier === track?.id) return report.framesDecoded;
    return false;
}"""
MORE_FRAMES = f"async ([selector, seen]) => await ({SHOWN_FRAMES})(selector) > seen"
OPEN_CONNECTIONS = "window.connections.filter(({ signalingState }) => signalingState !== 'closed')"
VITALS = f"""() => {{
    const open = {OPEN_CONNECTIONS};
    return {{
        state: document.body.dataset.state,
        captures: window.captures.filter(({{ readyState }}) => readyState === 'live').map(({{ kind }}) => kind).sort(),
        connections: open.length,
        transceivers: open[0]?.getTransceivers().length,
        sdp: open[0]?.localDescription?.sdp.length,
    }};
}}"""
STATE = f"""() => JSON.stringify({{
    words: document.querySelector('#status').innerText,
    notice: document.querySelector('#notice').innerText,
    vitals: ({VITALS})(),
    media: ['#remote', '#screen'].map((selector) => {{
        const element = document.querySelector(selector);
        const tracks = element.srcObject?.getTracks() ?? [];
        const states = tracks.map(({{ kind, muted, readyState }}) => [kind, muted, readyState]);
        return [selector, element.paused, element.hidden, element.className, states];
    }}),
    transceivers: window.connections.at(-1)?.getTransceivers().map(({{ mid, direction, currentDirection, sender }}) =>
        [mid, direction, currentDirection, sender.track?.kind ?? null, sender.track?.readyState ?? null]),
}})"""
MAX_TRANSCEIVERS = 4  # camera, microphone, and a screen with its sound, in both directions
MAX_SDP_CHARACTERS = 20_000  # characters; a call with both screens shared takes some 12,000


class Person:
    """One at the page, and how the peer should find them."""

    def __init__(self, caller: Caller, name: str) -> None:
        self.caller = caller
        self.page = caller.page
        self.name = name
        self.camera = self.microphone = self.microphone_open = True
        self.sharing = False
        self.peer: Person

    def press(self, selector: str, times: int) -> None:
        """As quick as a script can, which is quicker than a person."""
        script = "([selector, times]) => { while (times--) document.querySelector(selector).click(); }"
        self.page.evaluate(script, [f"#call {selector}", times])

    # What one may do. Each is told how often, and is a step of the walk.

    def mute(self, times: int, _: object) -> None:
        self.press("[data-switch=audio]", times)
        if times % 2:
            self.microphone = not self.microphone
        # One that is muted stays open, and is silent.
        self.microphone_open |= self.microphone

    def stop_camera(self, times: int, _: object) -> None:
        self.press("[data-switch=video]", times)
        if times % 2:
            self.camera = not self.camera

    def share(self, times: int, _: object) -> None:
        """While the browser asks which screen, further presses are no further questions."""
        self.press("#share", times)
        # The first press asks, or stops; the second asks after a stop.
        self.sharing = times > 1 or not self.sharing

    def choose(self, times: int, choices: random.Random) -> None:
        kind = choices.choice(["#camera", "#microphone", "#speaker"])
        script = """([selector, index]) => {
            const select = document.querySelector(selector);
            select.selectedIndex = index % select.length;
            select.dispatchEvent(new Event('change'));
        }"""
        for _ in range(times):
            # The fake camera in the middle takes pictures of depth, which no call carries.
            self.page.evaluate(script, [kind, choices.choice([0, 2])])
        if kind == "#microphone":
            # Another one is opened no sooner than it is wanted.
            self.microphone_open = self.microphone

    def chat(self, times: int, choices: random.Random) -> None:
        for number in range(times):
            text = f"{choices.random()} {number}"
            script = """(text) => {
                document.querySelector('#chat-text').value = text;
                document.querySelector('#chat-form').requestSubmit();
            }"""
            self.page.evaluate(script, text)
            self.peer.caller.until("(text) => document.querySelector('#messages').innerText.includes(text)", text)

    def look_around(self, times: int, choices: random.Random) -> None:
        for _ in range(times):
            toggle = choices.choice(["#chat-toggle", "#quality-toggle", "#settings-toggle", "#full-screen", "#invite"])
            self.page.evaluate("(selector) => document.querySelector(selector).click()", toggle)

    def change_network(self, times: int, _: object) -> None:
        for _ in range(times):
            self.page.evaluate("() => { window.dispatchEvent(new Event('online')); }")

    def hang_up_and_call_again(self, *_: object) -> None:
        self.press("#hang-up", 1)
        self.sharing = False
        self.peer.caller.reads(f"{self.name} left")
        self.microphone_open = self.microphone
        self.caller.settle()
        self.page.evaluate("() => document.querySelector('#enter').click()")

    def reload(self, *_: object) -> None:
        self.sharing = False
        self.page.reload()
        # What the test itself makes and hears of sound waits for a click.
        self.page.mouse.click(1, 1)
        self.camera = self.microphone = self.microphone_open = True


STEPS: dict[Callable[[Person, int, Any], None], int] = {
    Person.mute: 4,
    Person.stop_camera: 6,
    Person.share: 6,
    Person.choose: 3,
    Person.chat: 1,
    Person.look_around: 1,
    Person.change_network: 1,
    Person.hang_up_and_call_again: 1,
    Person.reload: 1,
}


class Oracle:
    """What is to be seen and heard at each side, given what both did."""

    def __init__(self, *people: Person, ears: bool = True) -> None:
        """Without `ears` it takes an element that plays for one that is heard: Firefox has no sound without a card."""
        self.people = people
        self.ears = ears

    def look(self) -> None:
        for person in self.people:
            self.vitals(person)
        for person in self.people:
            self.view_of(person, person.peer.caller)

    def vitals(self, person: Person) -> None:
        wanted = ["audio"] * person.microphone_open + ["video"] * person.camera + ["audio", "video"] * person.sharing
        script = (
            f"(wanted) => {{ const now = ({VITALS})(); return now.state === 'connected' && now.connections === 1 && "
        )
        script += "now.captures.join() === wanted.join(); }"
        try:
            person.caller.until(script, sorted(wanted))
        except AssertionError:
            raise AssertionError(f"{person.name}: {person.page.evaluate(VITALS)}, not {sorted(wanted)}") from None
        vitals = person.page.evaluate(VITALS)
        assert vitals["transceivers"] <= MAX_TRANSCEIVERS, vitals
        assert vitals["sdp"] <= MAX_SDP_CHARACTERS, vitals

    def view_of(self, person: Person, viewer: Caller) -> None:
        if person.camera:
            self.shows(viewer, "#remote")
        else:
            viewer.until("() => document.querySelector('#remote').matches('.dark')")
        if person.sharing:
            self.shows(viewer, "#screen")
            self.sounds(viewer, "#screen")
        else:
            viewer.until("() => document.querySelector('#screen').hidden")
        if person.microphone:
            self.sounds(viewer, "#remote")
        elif self.ears:
            # The fake microphone beeps twice a second.
            viewer.until(f"async () => await window.loudness('#remote', 600, {LOUD}) < {LOUD}")

    def shows(self, viewer: Caller, selector: str) -> None:
        script = f"async (selector) => {{ const n = await ({SHOWN_FRAMES})(selector); return n !== false && n + 1; }}"
        seen = self.wait(viewer, script, selector, f"{selector} is not shown")
        self.wait(viewer, MORE_FRAMES, [selector, seen], f"no picture in {selector}")

    def wait(self, viewer: Caller, condition: str, arg: Any, fault: str) -> Any:
        try:
            return viewer.until(condition, arg)
        except AssertionError:
            [me] = [person.name for person in self.people if person.caller is viewer]
            raise AssertionError(f"{fault} at {me}") from None

    def sounds(self, viewer: Caller, selector: str) -> None:
        script = f"async (selector) => await window.loudness(selector, 1_000, {LOUD}) >= {LOUD}"
        if not self.ears:
            script = "(selector) => window.plays(selector)"
        self.wait(viewer, script, selector, f"no sound of {selector}")


def walk(alice: Person, bob: Person, seed: int, length: int) -> None:
    """Take `length` steps, and say all those before the one that fails."""
    alice.peer, bob.peer = bob, alice
    oracle = Oracle(alice, bob)
    choices = random.Random(seed)
    taken: list[str] = []
    looked = True
    try:
        oracle.look()
        for _ in range(length):
            person = choices.choice([alice, bob])
            [step] = choices.choices(list(STEPS), list(STEPS.values()))
            times = choices.choice([1, 1, 1, 2, 3])
            if step in (Person.share, Person.chat) and not looked:
                # These need a peer who is there; a person sees that there is one.
                oracle.look()
            # Now and then two steps at once, the second before the first has had its effect.
            taken.append(f"{person.name[0]}.{step.__name__}*{times}")
            step(person, times, choices)
            # While the browser asks which screen, one cannot know what the next press does.
            looked = step is Person.share or choices.random() < 0.8
            if looked:
                oracle.look()
        oracle.look()
    except Exception as error:
        seen = "\n".join(f"{person.name}: {person.page.evaluate(STATE)}" for person in (alice, bob))
        raise AssertionError(f"seed {seed}, after {' '.join(taken)}: {error}\n{seen}") from error
