"""An hour of a call in a minute: what happens again and again leaves nothing behind."""

import os
import signal

from tests.browser.client.test_calls import SEES_SCREEN
from tests.driver import Server

ROUNDS = int(os.environ.get("LONG_CALL_ROUNDS", "4"))
# Who listens to what, from the first script on: a listener that is added and never removed is one more each time.
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
VITALS = """({
    senders: call.connection.getSenders().filter(({ track }) => track).length,
    listeners: window.listeners,
    open: connections.filter(({ signalingState }) => signalingState !== 'closed').length,
})"""
LINES = "call.connection.localDescription.sdp.match(/^m=/gm).length"
MAX_LINES = 4  # camera, microphone, text, and a screen that either of the two may share


def test_shares_networks_and_restarts_leave_nothing_behind(alice, bob, names, certificate):
    me, peer = names
    with Server(certificate) as server:
        for user in (alice, bob):
            user.page.add_init_script(COUNT_LISTENERS)
            user.open()
        url = f"{server.ws_url}/ws"
        alice.calls(me, peer, url=url).is_("waiting")
        bob.calls(peer, me, url=url)
        before = None
        for _ in range(ROUNDS):
            for one, other in ((alice, bob), (bob, alice)):
                one.tells(SHARE)
                other.waits(SEES_SCREEN)
                one.tells(f"{{ {STOP} }}")
                other.waits(GONE)
                one.tells("window.dispatchEvent(new Event('online'))")
            since = [user.tells("events.length") for user in (alice, bob)]
            server.signal(signal.SIGHUP)
            for user, events in zip((alice, bob), since, strict=True):
                user.waits(f"events.slice({events}).some(({{ detail }}) => detail?.retry?.code === 1012)")
            for user in (alice, bob):
                user.is_("connected", signaling="open")
                user.sees_live_video()
            vitals = [user.tells(VITALS) for user in (alice, bob)]
            before = before or vitals
            assert vitals == before
            assert max(user.tells(LINES) for user in (alice, bob)) <= MAX_LINES
        for user in (alice, bob):
            assert user.told("error") == []
