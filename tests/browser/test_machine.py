"""A page and `python -m signaling.client` in a call: two implementations that know nothing of each other."""

import re
import signal
import subprocess
import sys

import pytest

from tests.browser.client.user import User
from tests.driver import ROOT
from tests.long import rest_long
from tests.waiting import TIMEOUT


class Machine:
    """The client as a process, and what it says."""

    def __init__(self, server, me, peer, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "signaling.client", server.ws_url, "--ca", server.certificate, *arguments, me, peer],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def says(self, words):
        line = self.process.stdout.readline()
        assert words in line, line or self.process.stderr.read()

    def end(self):
        """Stop it, and return what it says in the end: how many pictures came, and how many messages went back."""
        self.process.send_signal(signal.SIGTERM)
        said, faults = self.process.communicate(timeout=TIMEOUT)
        assert (self.process.returncode, faults) == (0, "")
        return map(int, re.findall(r"\d+", said.splitlines()[-1]))


@pytest.fixture
def new_machine():
    machines = []

    def new(*arguments):
        machines.append(Machine(*arguments))
        return machines[-1]

    yield new
    for machine in machines:
        machine.process.kill()
        machine.process.communicate()


@pytest.fixture
def page(new_profile, relayed):
    user = User(new_profile(), relayed)
    yield user
    user.page.close()
    assert user.complaints == []


def talk(page):
    """See the other one's picture, and hear one's own words again."""
    page.sees_live_video()
    page.waits("call.send('hello')")
    page.waits("events.some(({ type, detail }) => type === 'message' && detail === 'hello')")


@pytest.mark.parametrize("first", rest_long(["the page", "the machine"]))
@pytest.mark.parametrize("path", rest_long(["direct", "relay"]))
def test_a_page_sees_a_machine_and_hears_its_echo(new_machine, page, relayed, names, first, path):
    me, peer = names
    policy, flags = ({"iceTransportPolicy": "relay"}, ["--relay"]) if path == "relay" else ({}, [])
    if first == "the page":
        page.calls(me, peer, **policy).is_("waiting")
    machine = new_machine(relayed, peer, me, *flags)
    machine.says(f"{peer} is in room_")
    if first == "the machine":
        page.calls(me, peer, **policy)
    page.is_("connected", path=path)
    talk(page)
    _, echoed = machine.end()
    assert echoed == 1
    page.waits("call.status.state !== 'connected'")


@pytest.mark.parametrize("path", rest_long(["direct", "relay"]))
def test_a_machine_checks_a_page_that_echoes(new_machine, page, relayed, names, path):
    me, peer = names
    policy, flags = ({"iceTransportPolicy": "relay"}, ["--relay"]) if path == "relay" else ({}, [])
    page.calls(me, peer, **policy).is_("waiting")
    page.tells("call.on('message', (text) => call.send(text)) && null")
    machine = new_machine(relayed, peer, me, "--check", "--timeout", f"{TIMEOUT}", *flags)
    said, faults = machine.process.communicate(timeout=TIMEOUT)
    assert (machine.process.returncode, faults) == (0, "")
    assert re.search(r"connected, \d\d+ pictures, echo after [\d.]+ ms\n", said)


@pytest.mark.long
def test_a_reload_and_a_screen_in_mid_call(new_machine, page, relayed, names):
    """The page calls again after a reload; and it negotiates anew, to show its screen as well."""
    me, peer = names
    machine = new_machine(relayed, peer, me)
    machine.says("is in room_")
    page.calls(me, peer).is_("connected")
    page.open()
    page.calls(me, peer).is_("connected")
    talk(page)
    page.page.evaluate("async () => call.shareScreen(await navigator.mediaDevices.getDisplayMedia({ video: true }))")
    page.waits("call.connection.getTransceivers().filter(({ currentDirection }) => currentDirection).length > 2")
    talk(page)
    machine.end()
