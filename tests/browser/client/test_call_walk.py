"""Whatever an app asks of `Call`, in any order: the peer gets it, and nothing is left behind."""

import os
import random

import pytest

SEEDS = int(os.environ.get("CALL_WALK_SEEDS", "1"))
LENGTH = int(os.environ.get("CALL_WALK_LENGTH", "40"))

# Tracks that move or hum, and how many packets of each kind arrived, by their streams.
TOOLS = """
    window.make = (kind) => {
        if (kind === 'audio') {
            window.sound ??= new AudioContext();
            const hum = new OscillatorNode(sound);
            const end = sound.createMediaStreamDestination();
            hum.connect(end);
            hum.start();
            return end.stream.getAudioTracks()[0];
        }
        const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 });
        const pen = canvas.getContext('2d');
        const [track] = canvas.captureStream(15).getVideoTracks();
        const painting = setInterval(() => {
            pen.fillStyle = `hsl(${Math.random() * 360} 80% 50%)`;
            pen.fillRect(0, 0, 160, 90);
            if (track.readyState === 'ended') clearInterval(painting);
        }, 60);
        return track;
    };
    window.tracks = {};
    window.arriving = async () => {
        const arrived = {};
        const main = document.querySelector('#remote').srcObject?.getTracks() ?? [];
        for (const report of (await call.connection?.getStats())?.values() ?? []) {
            if (report.type !== 'inbound-rtp') continue;
            const track = main.find(({ id }) => id === report.trackIdentifier);
            if (track && !track.muted && track.readyState === 'live')
                arrived[`${track.kind} ${track.id}`] = report.packetsReceived;
        }
        return arrived;
    };
"""
VITALS = """({
    open: connections.filter(({ signalingState }) => signalingState !== 'closed').length,
    transceivers: call.connection.getTransceivers().length,
    sdp: call.connection.localDescription.sdp.length,
    errors: events.filter(({ type }) => type === 'error').map(({ detail }) => detail.code),
})"""
SEES_SCREEN = """(() => {
    const { srcObject, videoWidth } = document.querySelector('#screen');
    return videoWidth === 160 && srcObject?.getVideoTracks()[0]?.muted === false;
})()"""
MOST = {"video": 2, "audio": 2}  # that one sends at a time, beside the screen
# Those of both, with a screen and its sound each.
MAX_TRANSCEIVERS = 2 * (sum(MOST.values()) + 2)
MAX_SDP_CHARACTERS = 40_000


class Side:
    """What one of the two sends, and what came of it."""

    def __init__(self, user, name, choices):
        self.user, self.name, self.choices = user, name, choices
        self.made = 0
        self.sent = {}  # by name: the kind, and whether anything is sent there
        self.before = {}  # by name: those that were sent in the same place earlier
        self.sharing = False
        self.errors = []

    def do(self, script, error=None):
        """Ask the call for something, which works, or is an error of this code."""
        done = self.user.tells(f"(async () => {{ const done = await {script}; return done; }})()")
        assert done is (error is None), (script, done)
        if error:
            self.errors.append(error)

    def make(self, kind):
        self.made += 1
        name = f"{kind}{self.made}"
        self.user.tells(f"{{ tracks.{name} = make('{kind}'); }}")
        return name

    def live(self, kind=None):
        return [name for name, (of, on) in self.sent.items() if on and kind in (None, of)]

    def add(self):
        kind = self.choices.choice(["audio", "video"])
        if len([1 for of, _ in self.sent.values() if of == kind]) >= MOST[kind]:
            return
        name = self.make(kind)
        self.do(f"call.addTrack(tracks.{name})")
        self.sent[name] = (kind, True)

    def add_again(self):
        if live := self.live():
            self.do(f"call.addTrack(tracks.{self.choices.choice(live)})", "already-sent")

    def remove(self):
        if not self.sent:
            return
        name = self.choices.choice(list(self.sent))
        self.do(f"call.removeTrack(tracks.{name})")
        del self.sent[name]

    def remove_an_unknown_one(self):
        self.do("call.removeTrack(make('video'))", "unknown-track")

    def replace(self):
        if not self.sent:
            return
        old = self.choices.choice(list(self.sent))
        kind, _ = self.sent.pop(old)
        new = self.make(kind)
        self.before[new] = [old, *self.before.get(old, [])]
        # Any of them names the place, as long as it is there.
        self.do(f"call.replaceTrack(tracks.{self.choices.choice(self.before[new])}, tracks.{new})")
        self.sent[new] = (kind, True)

    def replace_by_nothing(self):
        if not self.sent:
            return
        name = self.choices.choice(list(self.sent))
        self.do(f"call.replaceTrack(tracks.{name}, null)")
        self.sent[name] = (self.sent[name][0], False)

    def replace_by_another_kind(self):
        if live := self.live("video"):
            self.do(f"call.replaceTrack(tracks.{self.choices.choice(live)}, make('audio'))", "wrong-kind")

    def replace_by_an_ended_one(self):
        if live := self.live("video"):
            ended = "(() => { const track = make('video'); track.stop(); return track; })()"
            self.do(f"call.replaceTrack(tracks.{self.choices.choice(live)}, {ended})", "track-ended")

    def share(self):
        self.user.tells("{ window.stream = new MediaStream([make('video')]); }")
        self.do("call.shareScreen(stream)")
        self.sharing = True

    def stop_sharing(self):
        self.user.tells("call.stopSharing()")
        self.sharing = False

    def the_screen_ends(self):
        """As with the browser's own button."""
        if self.sharing:
            script = (
                "for (const track of stream.getTracks()) { track.stop(); track.dispatchEvent(new Event('ended')); }"
            )
            self.user.tells(f"{{ {script} }}")
            self.sharing = False

    def change_network(self):
        self.user.tells("window.dispatchEvent(new Event('online'))")


STEPS = [
    *(Side.add, Side.add_again, Side.remove, Side.remove_an_unknown_one, Side.replace, Side.replace),
    *(Side.replace_by_nothing, Side.replace_by_another_kind, Side.replace_by_an_ended_one),
    *(Side.share, Side.share, Side.stop_sharing, Side.the_screen_ends, Side.change_network),
]


def look(side, viewer):
    """What one side sends arrives at the other, and nothing else; nothing is left behind."""
    kinds = sorted(kind for kind, on in side.sent.values() if on)
    # Packets of a track that is shared by nobody any more may be on their way, so it is looked at twice.
    script = """async (kinds) => {
        const before = await arriving();
        await new Promise((later) => setTimeout(later, 250));
        const now = await arriving();
        const more = Object.keys(now).filter((key) => now[key] > (before[key] ?? Infinity));
        return more.map((key) => key.split(' ')[0]).sort().join() === kinds.join();
    }"""
    viewer.user.waits(f"await ({script})({kinds})")
    viewer.user.waits(SEES_SCREEN if side.sharing else "document.querySelector('#screen').srcObject === null")
    vitals = side.user.tells(VITALS)
    assert vitals["open"] == 1, vitals
    assert vitals["transceivers"] <= MAX_TRANSCEIVERS, vitals
    assert vitals["sdp"] <= MAX_SDP_CHARACTERS, vitals
    assert vitals["errors"] == side.errors, vitals
    assert side.user.tells("call.sharing") is side.sharing


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_random_walk(alice, bob, names, seed):
    choices = random.Random(seed)
    me, peer = names
    for user in (alice, bob):
        user.page.evaluate(f"() => {{ {TOOLS} }}")
    alice.calls(me, peer, media=None).is_("waiting")
    bob.calls(peer, me, media=None).is_("connected")
    alice.is_("connected")
    sides = [Side(user, name, choices) for user, name in ((alice, "a"), (bob, "b"))]
    taken = []
    try:
        for _ in range(LENGTH):
            side = choices.choice(sides)
            step = choices.choice(STEPS)
            # Some come before the one before has had its effect.
            for _ in range(choices.choice([1, 1, 1, 2, 3])):
                taken.append(f"{side.name}.{step.__name__}")
                step(side)
            if choices.random() < 0.7:
                for one, other in (sides, sides[::-1]):
                    look(one, other)
        for one, other in (sides, sides[::-1]):
            look(one, other)
    except Exception as error:
        state = [[one.name, one.sent, one.sharing] for one in sides]
        raise AssertionError(f"seed {seed}, after {' '.join(taken)}: {state}: {error}") from error
    for one in sides:
        one.user.tells("call.hangUp()")
        one.do("call.addTrack(make('video'))", "call-ended")
