"""STUN and TURN servers as a client is told of them, and credentials as Debian's coturn takes them."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from signaling.config.settings import Settings
from signaling.rooms.ice import ice_servers
from tests.coturn import Coturn
from tests.driver import Client, Server
from tests.integration.test_http import ask
from tests.waiting import TIMEOUT, wait_until


@pytest.fixture(scope="module")
def mounted(coturn: Coturn, certificate, tmp_path_factory: pytest.TempPathFactory):
    """The extension in somebody else's app, under a prefix, with its settings in the app's config."""
    folder = tmp_path_factory.mktemp("app")
    (folder / "mine.py").write_text(
        "from flask import Flask\nfrom signaling import Signaling\napp = Flask(__name__)\n"
        f"app.config.update({coturn.settings!r}, SIGNALING_OPEN=True)\nSignaling(app, url_prefix='/call')\n"
    )
    with Server(certificate, app="mine:app", health="/call/healthz", PYTHONPATH=folder) as server:
        yield server


class Relayed(asyncio.DatagramProtocol):
    """Whoever a TURN server relays for."""

    def __init__(self) -> None:
        self.over = asyncio.get_running_loop().create_future()

    def connection_lost(self, error: Exception | None) -> None:
        self.over.set_result(error)


def allocate(coturn: Coturn, username: str, credential: str) -> tuple[str, int]:
    """Have the TURN server relay for us, for a moment, and return the address it does that at."""

    async def for_a_moment() -> tuple[str, int]:
        relay, relayed = await create_turn_endpoint(
            Relayed, server_addr=("127.0.0.1", coturn.port), username=username, password=credential
        )
        relay.close()
        await relayed.over
        return relay.get_extra_info("sockname")

    return asyncio.run(asyncio.wait_for(for_a_moment(), TIMEOUT))


def refused(coturn: Coturn, username: str, credential: str) -> None:
    with pytest.raises(TransactionFailed) as failure:
        allocate(coturn, username, credential)
    assert failure.value.response.error_code == 401


def is_allowed(coturn: Coturn, username: str, credential: str) -> bool:
    try:
        allocate(coturn, username, credential)
    except TransactionFailed:
        return False
    return True


def offered(server: Server, path: str = "/ice-servers") -> list[dict[str, Any]]:
    return server.get(path)["iceServers"]


def test_where_none_is_set_there_is_none(server: Server):
    response, body = ask(server, "/ice-servers")
    assert (response.status, response.getheader("Content-Type")) == (200, "application/json")
    assert json.loads(body) == {"iceServers": []}


def test_the_answer_is_never_kept_and_no_other_site_may_read_it(relayed: Server):
    response, _ = ask(relayed, "/ice-servers", {"Origin": "https://example.org"})
    assert response.getheader("Cache-Control") == "no-store"
    assert response.getheader("Access-Control-Allow-Origin") is None
    assert response.getheader("ETag") is None
    assert ask(relayed, "/ice-servers", method="POST")[0].status == 405


def test_stun_and_turn_servers_are_told_in_their_order():
    urls = {
        "SIGNALING_STUN_URLS": "stun:a.example.org stun:b.example.org:3479",
        "SIGNALING_TURN_URLS": "turn:a.example.org, turns:[2001:db8::1]:443?transport=tcp",
    }
    with Server(**urls, SIGNALING_TURN_SECRET="north") as server:
        [stun, turn] = offered(server)
        assert stun == {"urls": ["stun:a.example.org", "stun:b.example.org:3479"]}
        assert turn.keys() == {"urls", "username", "credential"}
        assert turn["urls"] == ["turn:a.example.org", "turns:[2001:db8::1]:443?transport=tcp"]


@pytest.mark.parametrize("prefix", ["", "/call"])
def test_a_join_and_a_request_give_what_the_turn_server_takes(coturn: Coturn, prefix: str, mounted, relayed: Server):
    server = mounted if prefix else relayed
    [by_request] = offered(server, f"{prefix}/ice-servers")
    with Client(server, f"{prefix}/ws") as alice:
        alice.send(type="join", userId="alice", remoteId="bob", iceServers=True)
        [by_join] = alice.receive()["iceServers"]
        [me] = alice.receive()["users"]
    for turn in by_request, by_join:
        assert turn["urls"] == list(coturn.urls.values())
        assert abs(int(turn["username"].partition(":")[0]) - time.time() - 86_400) < TIMEOUT
        assert allocate(coturn, turn["username"], turn["credential"])[0] == "127.0.0.1"
    assert by_join["username"].endswith(":" + me["id"]), "the logs of the two servers can be read together"


def test_each_request_is_somebody_new_to_the_turn_servers_quotas(relayed: Server):
    names = {offered(relayed)[0]["username"].partition(":")[2] for _ in range(20)}
    assert len(names) == 20


def test_expired_credentials_are_refused(coturn: Coturn, certificate):
    with Server(certificate, **coturn.settings, SIGNALING_TURN_TTL=1) as server:
        [turn] = offered(server)
    # coturn reads the clock about once a second.
    wait_until(lambda: not is_allowed(coturn, turn["username"], turn["credential"]))
    refused(coturn, turn["username"], turn["credential"])
    assert time.time() >= int(turn["username"].partition(":")[0])


def test_forged_credentials_are_refused(coturn: Coturn, relayed: Server):
    [turn] = offered(relayed)
    expiry, _, user = turn["username"].partition(":")
    later = f"{int(expiry) + 1}:{user}"
    refused(coturn, later, turn["credential"])
    refused(coturn, f"{expiry}:somebody", turn["credential"])
    guessed = Settings(turn_urls=("turn:a",), turn_secret="guessed")
    [other] = ice_servers(guessed, user, time.time())
    refused(coturn, other["username"], other["credential"])


def test_the_secret_and_the_credentials_are_in_no_log(coturn: Coturn, certificate):
    with Server(certificate, **coturn.settings, SIGNALING_LOG_LEVEL="debug") as server:
        [turn] = offered(server)
        with Client(server) as alice:
            alice.send(type="join", userId="alice", remoteId="bob", iceServers=True)
            joined = alice.receive()["iceServers"][0]
    log = "\n".join(server.log)
    assert "alice is initiator" in log
    for hidden in (coturn.secret, turn["credential"], joined["credential"]):
        assert hidden not in log
