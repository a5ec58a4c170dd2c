"""Who may join where a token is needed, through a real server; and the commands that make tokens and use them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.clock import Clock
from tests.driver import ROOT, Client, Server
from tests.integration.test_http import ask
from tests.integration.test_process import fails_to_start
from tests.long import rest_long
from tests.unit.security.test_jwt import PRIVATE, RSA, SECRET, handmade, jwk, jwks, pem, private_pem, put, token
from tests.waiting import TIMEOUT, wait_until

TURN = {"SIGNALING_TURN_URLS": "turn:turn.example.org", "SIGNALING_TURN_SECRET": "north"}


@pytest.fixture(scope="module")
def locked(certificate: Path) -> Iterator[Server]:
    """A server that asks for tokens of one secret, for an audience."""
    settings = TURN | {"SIGNALING_JWT_KEY": SECRET, "SIGNALING_JWT_AUDIENCE": "calls"}
    with Server(certificate, **settings, SIGNALING_LOG_LEVEL="debug") as running:
        yield running


def good(user: str = "alice", **claims: Any) -> str:
    return token(sub=user, aud="calls", **claims)


def join(client: Client, given: Any, user: Any = "alice", remote: Any = "bob", field: str = "token") -> dict[str, Any]:
    """Join, and return the first reply."""
    return client.ask(type="join", userId=user, remoteId=remote, **{field: given})


def refused(client: Client, why: str) -> None:
    assert client.closed() == (4003, f"Unauthorized: {why}")


def test_two_with_tokens_meet(locked: Server):
    """One by the field of this server, one by that of the Node.js server's web client; and one is an integer."""
    with Client(locked) as alice, Client(locked) as seven:
        assert join(alice, good(peer="7"), remote="7")["type"] == "created"
        assert join(seven, good("7", peer=["alice"]), user=7, remote="alice", field="apiKey")["type"] == "joined"
        assert [alice.receive()["type"] for _ in range(3)] == ["roomInfo", "ready", "roomInfo"]
        seven.receive()
        alice.send(type="message", data="hello")
        assert seven.receive() == {"type": "message", "data": "hello", "from": "alice"}


def test_a_stranger_can_neither_take_a_name_nor_kick_its_owner(locked: Server):
    attempts = {
        "a token is needed": None,
        "the token is for another user": good("mallory"),
        "the signature of the token is wrong": token("a guess that is long enough for a key", aud="calls"),
        "the token has expired": good(exp=time.time() - 3_600),
        "the token is not yet valid": good(nbf=time.time() + 3_600),
        "the token is for another audience": token(aud="mail"),
        "the token is for another peer": good(peer="carol"),
        "the token is none": "let me in",
        "the token is signed with an algorithm that its key is not for": handmade(
            {"alg": "none"}, {"sub": "alice", "aud": "calls", "exp": time.time() + 60}
        ),
    }
    with Client(locked) as alice:
        assert join(alice, good())["type"] == "created"
        alice.receive()
        for why, attempt in attempts.items():
            with Client(locked) as stranger:
                reply = join(stranger, attempt)
                assert reply == {"type": "error", "code": "unauthorized", "message": f"Unauthorized: {why}"}
                refused(stranger, why)
        assert alice.quiet()
        with Client(locked) as herself:
            assert join(herself, good())["type"] == "created"
            assert alice.receive()["code"] == "replaced"


def test_a_public_key_is_not_taken_for_a_secret(certificate: Path, tmp_path: Path):
    """The confusion of algorithms, with the very bytes of the file that the server has."""
    path = tmp_path / "key.pem"
    path.write_text(pem(RSA))
    with Server(certificate, SIGNALING_JWT_KEY=path) as server, Client(server) as alice, Client(server) as mallory:
        start = handmade({"alg": "HS256", "typ": "JWT"}, {"sub": "alice", "exp": time.time() + 60}).rpartition(".")[0]
        signature = jwt.get_algorithm_by_name("HS256").sign(start.encode(), path.read_bytes())
        forged = start + "." + jwt.utils.base64url_encode(signature).decode()
        assert join(mallory, forged)["code"] == "unauthorized"
        refused(mallory, "the token is signed with an algorithm that its key is not for")
        assert join(alice, token(RSA, "PS256"))["type"] == "created"


def test_who_joins_again_with_a_bad_token_is_out_whatever_comes_behind_it(locked: Server):
    with Client(locked) as alice, Client(locked) as bob:
        join(alice, good())
        join(bob, good("bob"), "bob", "alice")
        bob.receive()
        alice.send_text(json.dumps({"type": "join", "userId": "alice", "remoteId": "bob"}).encode())
        alice.send(type="message", data="never")
        alice.send(type="join", userId="alice", remoteId="bob", token=good())
        assert [alice.receive()["type"] for _ in range(4)] == ["roomInfo", "ready", "roomInfo", "error"]
        refused(alice, "a token is needed")
        assert bob.receive()["type"] == "bye"


def test_a_token_that_expires_in_a_call_ends_nothing(certificate: Path, tmp_path: Path):
    clock = Clock(tmp_path)
    with (
        Server(certificate, SIGNALING_JWT_KEY=SECRET, SIGNALING_JWT_LEEWAY=0, **clock.settings) as server,
        Client(server) as alice,
        Client(server) as bob,
        Client(server) as late,
    ):
        short = token(exp=int(clock.now) + 1)
        assert join(alice, short)["type"] == "created"
        assert join(bob, token(sub="bob"), "bob", "alice")["type"] == "joined"
        bob.receive()
        clock.set(clock.now + 1)
        assert join(late, short, remote="carol")["message"] == "Unauthorized: the token has expired"
        alice.send(type="message", data="still here")
        assert bob.receive()["data"] == "still here"


def test_keys_are_rotated_under_a_running_server(certificate: Path, tmp_path: Path):
    path = tmp_path / "keys.json"
    path.write_text(jwks(jwk("ES256", kid="2026-10")))
    old, new = token(PRIVATE["ES256"], "ES256", kid="2026-10"), token(PRIVATE["EdDSA"], "EdDSA", kid="2026-11")

    def lets_in(given: str) -> bool:
        with Client(server) as somebody:
            return join(somebody, given, remote="carol")["type"] == "created"

    with Server(certificate, SIGNALING_JWT_KEY=path) as server, Client(server) as alice:
        assert join(alice, old)["type"] == "created"
        assert not lets_in(new)
        put(path, jwks(jwk("ES256", kid="2026-10"), jwk("EdDSA", kid="2026-11")))
        wait_until(lambda: lets_in(new))
        assert lets_in(old)
        put(path, jwks(jwk("EdDSA", kid="2026-11")))
        wait_until(lambda: not lets_in(old))
        assert lets_in(new)
        put(path, "{")
        wait_until(lambda: lets_in(new) and "the old ones stay" in "".join(server.log))
        assert lets_in(new)
        told = server.wait_for_log("the old ones stay")
        assert told.endswith(f'{path}: it is no JWKS: a JSON object with a list of "keys"')


@pytest.mark.parametrize(
    ("key", "why"),
    rest_long(
        [
            ("short and secret", "a secret must have 32 bytes or more (RFC 7518, section 3.2)"),
            (private_pem(PRIVATE["EdDSA"]), "it is a private key: give the public one (openssl pkey -in FILE -pubout)"),
            (
                "/no/such/file",
                "it begins like the path of a file, and the file cannot be read: No such file or directory",
            ),
        ]
    ),
)
def test_a_key_that_cannot_be_used_stops_the_start_with_one_line_and_is_not_shown(key: str, why: str):
    log = fails_to_start(SIGNALING_JWT_KEY=key)
    assert log[-1] == f"The signaling server does not start: SIGNALING_JWT_KEY is not usable: {why}"
    assert key not in "\n".join(log)


def test_the_key_and_the_tokens_are_in_no_log(locked: Server):
    given, bad = good("dora"), good("mallory")
    with Client(locked) as dora, Client(locked) as mallory:
        join(dora, given, "dora")
        join(mallory, bad, "dora")
        mallory.closed()
    ask(locked, "/ice-servers", {"Authorization": f"Bearer {given}"})
    locked.wait_for_log("Error unauthorized: Unauthorized: the token is for another user")
    log = "\n".join(locked.log)
    for hidden in (SECRET, given, bad, given.split(".")[1]):
        assert hidden not in log


# HTTP.


def asks(server: Server, authorization: str | None) -> tuple[HTTPResponse, Any]:
    response, body = ask(server, "/ice-servers", {"Authorization": authorization} if authorization else {})
    assert response.getheader("Cache-Control") == "no-store"
    return response, json.loads(body)


def test_the_ice_servers_are_for_those_with_a_token(locked: Server):
    response, body = asks(locked, None)
    assert (response.status, response.getheader("WWW-Authenticate")) == (401, "Bearer")
    assert body == {"code": "unauthorized", "message": "Unauthorized: a token is needed"}
    for scheme in ("Bearer", "bearer"):
        response, body = asks(locked, f"{scheme} {good('anybody', peer='bob')}")
        assert response.status == 200
        [server] = body["iceServers"]
        assert re.fullmatch(r"\d+:[0-9a-f]{16}", server["username"]), "the user is not to be read on the network"


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        ("Bearer nonsense", 'Bearer error="invalid_token"'),
        (f"Bearer {token(aud='mail')}", 'Bearer error="invalid_token"'),
        ("Bearer", "Bearer"),
        ("Basic YTpi", "Bearer"),
        ("x", "Bearer"),
    ],
)
def test_a_bad_bearer_token_is_refused(locked: Server, header: str, challenge: str):
    response, body = asks(locked, header)
    assert (response.status, response.getheader("WWW-Authenticate")) == (401, challenge)
    assert body["code"] == "unauthorized"


def test_the_page_and_the_health_need_no_token(locked: Server):
    assert ask(locked, "/", {"Accept": "text/html"})[0].status == 200
    assert locked.health()["status"] == "ok"


# The commands.


def run(*arguments: object, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SIGNALING_")}
    command = [sys.executable, *map(str, arguments)]
    clean |= environ or {}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=clean, timeout=TIMEOUT)


def made(*arguments: object, **environ: str) -> str:
    done = run("-m", "signaling.token", *arguments, environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


ENVIRON = {"SIGNALING_JWT_KEY": SECRET, "SIGNALING_JWT_AUDIENCE": "calls"}


def test_a_token_is_made_with_the_key_of_the_server(locked: Server):
    given = made("alice", "--peer", "bob", "--peer", "carol", "--ttl", 60, "--issuer", "me", **ENVIRON)
    claims = jwt.decode(given, SECRET, ["HS256"], audience="calls")
    assert claims.pop("exp") - claims.pop("iat") == 60
    assert claims == {"sub": "alice", "peer": ["bob", "carol"], "aud": "calls", "iss": "me"}
    with Client(locked) as alice:
        assert join(alice, given)["type"] == "created"


@pytest.mark.parametrize("name", rest_long(["RS256", "ES384", "EdDSA"]))
def test_a_token_is_made_with_a_private_key(tmp_path: Path, name: str):
    path = tmp_path / "private.pem"
    path.write_text(private_pem(PRIVATE[name]))
    given = made("alice", "--key", path, "--kid", "k", SIGNALING_JWT_KEY=pem(PRIVATE[name]))
    assert jwt.get_unverified_header(given) == {"alg": name, "kid": "k", "typ": "JWT"}
    assert jwt.decode(given, PRIVATE[name].public_key(), [name])["sub"] == "alice"


@pytest.mark.parametrize(
    ("arguments", "environ", "why"),
    rest_long(
        [
            ([], {}, "SIGNALING_JWT_KEY cannot be used: it is not set"),
            (
                [],
                {"SIGNALING_JWT_KEY": "short"},
                "SIGNALING_JWT_KEY cannot be used: a secret must have 32 bytes or more",
            ),
            (
                [],
                {"SIGNALING_JWT_KEY": pem(RSA)},
                "SIGNALING_JWT_KEY cannot be used: it only verifies tokens; a private key or a secret",
            ),
            (["--key", "none.pem"], {}, "none.pem cannot be used: the file cannot be read: No such file"),
        ],
        quick=2,
    ),
)
def test_what_makes_no_token_is_one_line(arguments: list[str], environ: dict[str, str], why: str):
    done = run("-m", "signaling.token", "alice", *arguments, environ=environ)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(why)


def both() -> list[str]:
    """The options that give each of two users a token."""
    return ["--token", good("one", peer="two"), "--token", good("two", peer="one")]


@pytest.mark.parametrize(
    "program", rest_long([(("-m", "signaling.check"),), (("signaling/check.py",),)]), ids=["module", "file"]
)
def test_the_check_calls_with_tokens_and_tells_why_without(locked: Server, program: tuple[str, ...]):
    where = [*program, locked.ws_url, "--ca", locked.certificate]
    done = run(*where, *both())
    assert (done.returncode, done.stderr) == (0, "")
    assert "two users met" in done.stdout
    done = run(*where)
    assert (done.returncode, done.stderr) == (1, f"{locked.ws_url}: Unauthorized: a token is needed\n")
    for wrong, why in (("one", "two users need a token each"), ("", "two users need a token each")):
        done = run(*where, "--token", wrong)
        assert (done.returncode, done.stderr) == (1, f"{locked.ws_url}: {why}\n")
    done = run(*where, "--token", "one", "--token", "two")
    assert (done.returncode, done.stderr) == (1, f"{locked.ws_url}: a token is no JSON Web Token, or has no sub\n")


def test_the_check_proves_without_a_token_that_one_is_needed(locked: Server, server: Server):
    done = run("-m", "signaling.check", locked.ws_url, "--ca", locked.certificate, "--refused")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{locked.ws_url}: a join without a token is refused: Unauthorized: a token is needed\n"
    done = run("-m", "signaling.check", server.ws_url, "--ca", server.certificate, "--refused")
    assert done.returncode == 1
    assert "a join without a token is not refused: {'type': 'created'" in done.stderr


def test_the_client_calls_with_tokens_and_tells_why_without(locked: Server):
    where = ["-m", "signaling.client", locked.ws_url, "--ca", locked.certificate]
    done = run(*where, "--check", *both())
    assert (done.returncode, done.stderr) == (0, "")
    done = run(*where, "alice", "bob", "--token", good(peer="carol"))
    assert (done.returncode, done.stderr) == (1, f"{locked.ws_url}: Unauthorized: the token is for another peer\n")
    done = run(*where, "alice", "bob", *both())
    assert done.returncode == 2


# The document.

DOCUMENT = (ROOT / "docs" / "authentication.md").read_text()
LOGIN = "\n\n@app.post('/login/<user>')\ndef login(user):\n    session['user'] = user\n    return {}\n"


def test_the_flask_app_of_the_document_hands_out_tokens_that_let_in(certificate: Path, tmp_path: Path):
    [code] = re.findall(r"```python\n(# shop\.py\n.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "shop.py").write_text(code + LOGIN)
    settings = {"SIGNALING_JWT_KEY": SECRET, "SHOP_SECRET": "shop", "PYTHONPATH": tmp_path}
    with Server(certificate, app="shop:app", health="/call/healthz", **settings) as server:
        assert ask(server, "/token/bob")[0].status == 401
        response, _ = ask(server, "/login/alice", method="POST")
        cookie = {"Cookie": response.getheader("Set-Cookie").partition(";")[0]}
        _, body = ask(server, "/token/bob", cookie)
        response, _ = ask(server, "/meet/bob", cookie)
        target, _, of_the_link = response.getheader("Location").partition("#token=")
        assert (response.status, target) == (302, "/call/?me=alice&peer=bob")
        for given in json.loads(body)["token"], of_the_link:
            with Client(server, "/call/ws") as alice, Client(server, "/call/ws") as again:
                assert join(alice, given)["type"] == "created"
                assert join(again, given, remote="carol")["code"] == "unauthorized"


def test_the_script_of_the_document_makes_a_key_for_a_jwks(certificate: Path, tmp_path: Path):
    [code] = re.findall(r"```python\n(# jwk\.py.*?)```", DOCUMENT, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code, "2026-11"], input=pem(PRIVATE["ES256"]), capture_output=True, text=True
    )
    assert json.loads(done.stdout) == jwk("ES256", kid="2026-11", alg="ES256", use="sig")
