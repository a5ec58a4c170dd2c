"""A call that needs a relay, and loses it."""

import subprocess

from tests.coturn import Coturn
from tests.driver import Server


def test_a_lost_relay_is_made_good(alice, bob, names, certificate, tmp_path):
    """A TURN server that restarts has forgotten everybody: an ICE restart asks it anew, and the connection stays."""
    me, peer = names
    with Coturn(tmp_path, certificate) as coturn, Server(certificate, **coturn.settings) as server:
        url = f"{server.ws_url}/ws"
        alice.calls(me, peer, url=url, iceTransportPolicy="relay").is_("waiting")
        bob.calls(peer, me, url=url, iceTransportPolicy="relay")
        for user in (alice, bob):
            user.is_("connected", path="relay")
            user.sees_live_video()
        coturn.stop()
        for user in (alice, bob):
            user.is_("reconnecting")
        coturn.process = subprocess.Popen(coturn.process.args, stdout=subprocess.DEVNULL)
        coturn.wait_until_up()
        for user in (alice, bob):
            user.is_("connected", path="relay")
            user.sees_live_video()
            assert user.connections() == 1
