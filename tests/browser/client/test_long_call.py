"""An hour of a call in minutes: whatever happens again and again leaves nothing behind."""

import os
import signal

import pytest

from tests.browser.client.test_calls import SEES_SCREEN
from tests.browser.client.wire import Wire
from tests.driver import Server

# 25 rounds are 50 shares, 100 changes of the network, 20 drops of the signaling and 10 restarts of the server.
ROUNDS = int(os.environ.get("LONG_CALL_ROUNDS", "5"))
# What the first rounds load and compile stays.
WARM_UP_ROUNDS = 2
# A round that leaves a connection, a stream or a timer behind leaves more than this.
MAX_HEAP_GROWTH_BYTES = 30_000  # a round
# Each listener on the page's window or document counts, from the first script on.
COUNT_LISTENERS = """
    window.listeners = 0;
    for (const [method, change] of [['addEventListener', 1], ['removeEventListener', -1]]) {
        const original = EventTarget.prototype[method];
        EventTarget.prototype[method] = function (...args) {
            if (this === window || this === document) window.listeners += change;
            return original.apply(this, args);
        };
    }
"""
SHARE = """{
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
    const pen = canvas.getContext('2d');
    window.painting ??= setInterval(() => window.pen.fillRect(Math.random() * 320, Math.random() * 240, 9, 9), 50);
    window.pen = pen;
    window.screenStream = canvas.captureStream(10);
    call.shareScreen(screenStream);
}"""
STOP = "call.stopSharing(); screenStream.getTracks().forEach((track) => track.stop())"
GONE = "document.querySelector('#screen').srcObject === null"
CHANGE_NETWORK = "window.dispatchEvent(new Event('online'))"
VITALS = """({
    senders: call.connection.getSenders().filter(({ track }) => track).length,
    transceivers: call.connection.getTransceivers().length,
    lines: call.connection.localDescription.sdp.match(/^m=/gm).length,
    listeners: window.listeners,
    open: connections.filter(({ signalingState }) => signalingState !== 'closed').length,
})"""
# The test's own records keep events and old connections alive; the client must not.
FORGET = "events.length = 0; connections.splice(0, connections.length - 1)"
MAX_SDP_CHARACTERS = 20_000


class Memory:
    """The page's memory, after garbage collection."""

    def __init__(self, user):
        self._session = user.page.context.new_cdp_session(user.page)
        self._session.send("Performance.enable")

    def look(self):
        for _ in range(3):
            self._session.send("HeapProfiler.collectGarbage")
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        values = {metric["name"]: metric["value"] for metric in metrics}
        return {name: values[name] for name in ("JSHeapUsedSize", "JSEventListeners", "Nodes")}


@pytest.fixture
def pair(alice, bob, names, certificate):
    """Two in a call, whose sockets lead through a wire; the server and the wire."""
    me, peer = names
    with Server(certificate) as server, Wire(server.port) as wire:
        for user in (alice, bob):
            user.page.add_init_script(COUNT_LISTENERS)
            user.open()
        url = f"wss://localhost:{wire.port}/ws"
        alice.calls(me, peer, url=url).is_("waiting")
        bob.calls(peer, me, url=url)
        for user in (alice, bob):
            user.is_("connected", signaling="open")
        yield server, wire


def drop(server, wire, *users):
    wire.cut()
    for user in users:
        user.waits("call.status.signaling !== 'open'")
    wire.mend()


def restart(server, wire, *users):
    since = [user.tells("events.length") for user in users]
    server.signal(signal.SIGHUP)
    for user, events in zip(users, since, strict=True):
        user.waits(f"events.slice({events}).some(({{ detail }}) => detail?.retry?.code === 1012)")


def test_shares_networks_drops_and_restarts_leave_nothing_behind(alice, bob, pair):
    users = alice, bob
    memories = [Memory(user) for user in users]
    errors, figures = [], []
    before = None
    for number in range(ROUNDS):
        for one, other in ((alice, bob), (bob, alice)):
            one.tells(SHARE)
            other.waits(SEES_SCREEN)
            one.tells(CHANGE_NETWORK)
            one.tells(f"{{ {STOP} }}")
            other.waits(GONE)
            one.tells(CHANGE_NETWORK)
        if number % 5 != 4:
            drop(*pair, *users)
            for user in users:
                user.is_("connected", signaling="open")
        if number % 5 in (1, 3):
            restart(*pair, *users)
        for user in users:
            user.is_("connected", signaling="open")
            user.sees_live_video()
            user.waits("call.connection.signalingState === 'stable'")
        vitals = [user.tells(VITALS) for user in users]
        before = before or vitals
        assert vitals == before
        for user in users:
            assert user.tells("call.connection.localDescription.sdp.length") <= MAX_SDP_CHARACTERS
            errors += user.told("error")
            user.tells(FORGET)
        figures.append([memory.look() for memory in memories])
    print(*figures, sep="\n")
    assert errors == []
    rounds = ROUNDS - 1 - WARM_UP_ROUNDS
    for first, last in zip(figures[WARM_UP_ROUNDS], figures[-1], strict=True):
        assert last["JSEventListeners"] <= first["JSEventListeners"], figures
        assert last["Nodes"] <= first["Nodes"] + 2 * rounds, figures
        assert last["JSHeapUsedSize"] <= first["JSHeapUsedSize"] + rounds * MAX_HEAP_GROWTH_BYTES, figures
