"""Secrets that change step by step while people talk and others come: nothing is dropped, and nobody is refused.

The users are those of the shipped browser client, so what it does by itself at a restart counts, and nothing else.
"""

from __future__ import annotations

import base64
import hmac
import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections import ChainMap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aioice.stun import TransactionFailed

from signaling.config.service_secret import derive
from signaling.config.values import signing_key
from signaling.rooms.signature import is_signed
from tests.coturn import Coturn
from tests.driver import ROOT, Server
from tests.integration.test_ice_servers import allocate
from tests.integration.test_ops import basic
from tests.integration.test_webhook import Receiver
from tests.redis_server import Redis, free_port, redis_server
from tests.redis_server import ask as ask_redis
from tests.relays import Relays, relays
from tests.waiting import TIMEOUT, wait_until

PAIRS, JOINS_A_SECOND = 50, 10
OLD, NEW = "the-old-value-of-a-secret-of-32-bytes", "the-new-value-of-a-secret-of-32-bytes"


class Crowd:
    """Pairs who talk and newcomers who join, in a process of their own."""

    def __init__(self, port: int, key: str) -> None:
        command = ["node", "crowd.js", f"ws://localhost:{port}/ws", str(PAIRS), str(JOINS_A_SECOND), key]
        self._process = subprocess.Popen(
            command, cwd=ROOT / "tests/integration", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        # The test's own time-out ends a wait for something that never comes.
        return dict(json.loads(self._process.stdout.readline()))

    def goes_on(self) -> None:
        """Wait until all pairs have exchanged messages, and newcomers were let in, that began after now."""
        assert self.ask(mark=True)["faults"] == []

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


class Service:
    """A server on one port, with one setting or another, and its crowd."""

    def __init__(self, settings: dict[str, Any], key: str = "") -> None:
        self._fixed = {"PORT": free_port(), "SIGNALING_DRAIN_SECONDS": 1}
        self.server = self._start(settings)
        self.crowd = Crowd(self._fixed["PORT"], key)

    def _start(self, settings: dict[str, Any]) -> Server:
        # By the context of a with statement, it waits until the server is up.
        return Server(**self._fixed, **settings).__enter__()

    def restart(self, **settings: Any) -> None:
        self.server.stop()
        self.server = self._start(settings)
        self.crowd.goes_on()

    def status(self, path: str, authorization: str) -> int:
        request = urllib.request.Request(self.server.url + path, headers={"Authorization": authorization})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@contextmanager
def service(key: str = "", **settings: Any) -> Iterator[Service]:
    """Run a server, and a crowd that ends well."""
    running = Service(settings, key)
    try:
        running.crowd.goes_on()
        yield running
        report = running.crowd.ask(end=True)
        assert report["faults"] == []
        assert report["codes"].keys() <= {"1012", "1006", "1013"}, report
        assert report["messages"] > 2 * PAIRS
        assert report["joins"] > JOINS_A_SECOND
    finally:
        running.crowd.stop()
        running.server.stop()


def steps(name: str, old: str, new: str) -> Iterator[dict[str, str]]:
    """Yield the settings of each step: the new value is accepted, is used, and is alone."""
    yield {name: old, f"{name}_FALLBACK": new}
    yield {name: new, f"{name}_FALLBACK": old}
    yield {name: new}


TOKENS: list[tuple[str, str, Callable[[str], str]]] = [
    ("SIGNALING_OPS_TOKEN", "/ops/state.json", basic),
    ("SIGNALING_METRICS_TOKEN", "/metrics", lambda token: f"Bearer {token}"),
    ("SIGNALING_API_TOKEN", "/api/waiting", lambda token: f"Bearer {token}"),
]


@pytest.mark.long
def test_the_tokens_of_the_operator_and_of_the_api():
    with service(**{name: f"{OLD}{name}" for name, _, _ in TOKENS}) as running:
        for number in range(3):
            given = [list(steps(name, f"{OLD}{name}", f"{NEW}{name}"))[number] for name, _, _ in TOKENS]
            running.restart(**dict(ChainMap(*given)))
            for name, path, authorization in TOKENS:
                assert running.status(path, authorization(f"{NEW}{name}")) == 200
                assert running.status(path, authorization(f"{OLD}{name}")) == (401 if number == 2 else 200)
                assert running.status(path, authorization("neither")) == 401


@pytest.mark.long
def test_the_key_of_tokens():
    with redis_server() as redis:
        shared = {"SIGNALING_REDIS_URL": redis.url, "WEB_CONCURRENCY": 2}
        name = "SIGNALING_JWT_KEY"
        with service(OLD, **{name: OLD}, **shared) as running:
            accept, use, alone = steps(name, OLD, NEW)
            running.restart(**accept, **shared)
            running.restart(**use, **shared)
            running.crowd.ask(key=NEW)
            running.crowd.goes_on()
            running.restart(**alone, **shared)


@pytest.mark.long
def test_a_file_of_keys_without_a_restart(tmp_path: Path):
    """The file is read again by itself: nobody even has to come back."""
    file = tmp_path / "keys.json"

    def write(*secrets: str) -> None:
        jwks = [{"kty": "oct", "k": base64.urlsafe_b64encode(each.encode()).decode().rstrip("=")} for each in secrets]
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps({"keys": jwks}))
        draft.rename(file)

    write(OLD)
    second = file.with_name("second.json")
    second.write_text(file.read_text())
    with service(OLD, SIGNALING_JWT_KEY=file, SIGNALING_JWT_KEY_FALLBACK=second) as running:
        write(NEW)
        running.server.wait_for_log("New keys for tokens are used from now on")
        running.crowd.goes_on()
        running.crowd.ask(key=NEW)
        running.crowd.goes_on()
        assert running.crowd.ask(mark=True)["reconnects"] == 0


def webhook_of(shared: str) -> bytes:
    return signing_key(derive(shared, "webhook"))


@contextmanager
def receiver(key: bytes) -> Iterator[tuple[Receiver, list[bytes]]]:
    """An app that knows one key at a time, the last one of a list; each message must be signed with it."""
    keys, wrong = [key], []
    with Receiver() as app:
        keep = app._take

        def take(told: Any) -> int:
            headers = told.headers
            signature = (headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"])
            if not is_signed(keys[-1:], *signature, told.body):
                wrong.append(told)
            return keep(told)

        app._take = take  # type: ignore[method-assign]
        yield app, keys
    assert wrong == []


def hears_of_a_newcomer(app: Receiver) -> None:
    told = len(app.told)
    wait_until(lambda: len(app.told) > told)


@pytest.mark.long
def test_the_secret_of_the_webhook():
    name = "SIGNALING_WEBHOOK_SECRET"
    with receiver(OLD.encode()) as (app, keys):
        url = {"SIGNALING_WEBHOOK_URL": app.url}
        with service(**{name: OLD}, **url) as running:
            accept, use, alone = steps(name, OLD, NEW)
            for step in (accept, use):
                running.restart(**step, **url)
                hears_of_a_newcomer(app)
            keys.append(NEW.encode())
            hears_of_a_newcomer(app)
            running.restart(**alone, **url)
            hears_of_a_newcomer(app)


@pytest.mark.long
def test_the_secret_that_an_app_beside_the_service_shares():
    """The app makes tokens, asks the API and hears the webhook, all with what it derives from its one secret."""
    name = "SIGNALING_SERVICE_SECRET"

    def asks(running: Service, shared: str) -> int:
        return running.status("/api/waiting", f"Bearer {derive(shared, 'api')}")

    with receiver(webhook_of(OLD)) as (app, keys):
        url = {"SIGNALING_WEBHOOK_URL": app.url}
        with service(derive(OLD, "jwt"), **{name: OLD}, **url) as running:
            accept, use, alone = steps(name, OLD, NEW)
            for step in (accept, use):
                running.restart(**step, **url)
                hears_of_a_newcomer(app)
                assert [asks(running, shared) for shared in (OLD, NEW)] == [200, 200]
            keys.append(webhook_of(NEW))
            running.crowd.ask(key=derive(NEW, "jwt"))
            running.crowd.goes_on()
            running.restart(**alone, **url)
            hears_of_a_newcomer(app)
            assert [asks(running, shared) for shared in (OLD, NEW)] == [401, 200]


def set_users(redis: Redis, known: str, *passwords: str) -> None:
    """Let Redis accept these passwords and no others, as its ACL file does it."""
    rules = [f">{password}" for password in passwords]
    ask_redis(redis.port, "ACL", "SETUSER", "default", "resetpass", *rules, password=known)


@pytest.mark.long
def test_the_password_of_redis():
    with redis_server("--requirepass", OLD) as redis:

        def url(password: str) -> dict[str, Any]:
            address = redis.url.replace("//", f"//:{password}@")
            return {"SIGNALING_REDIS_URL": address, "WEB_CONCURRENCY": 2}

        with service(**url(OLD)) as running:
            set_users(redis, OLD, OLD, NEW)
            running.crowd.goes_on()
            running.restart(**url(NEW))
            set_users(redis, NEW, NEW)
            running.crowd.goes_on()
            with pytest.raises(Exception, match="WRONGPASS"):
                ask_redis(redis.port, "PING", password=OLD)


@pytest.mark.long
def test_the_password_of_a_redis_that_can_have_only_one():
    """The service knows both meanwhile. Even if it has to connect again, nobody is refused for good."""
    second = {"SIGNALING_REDIS_PASSWORD_FALLBACK": NEW, "WEB_CONCURRENCY": 2}
    with redis_server("--requirepass", OLD) as redis:
        address = redis.url.replace("//", f"//:{OLD}@")
        with service(SIGNALING_REDIS_URL=address, WEB_CONCURRENCY=2) as running:
            running.restart(SIGNALING_REDIS_URL=address, **second)
            since = len(running.server.log)
            ask_redis(redis.port, "CONFIG", "SET", "requirepass", NEW, password=OLD)
            running.crowd.goes_on()
            ask_redis(redis.port, "CLIENT", "KILL", "USER", "default", "SKIPME", "yes", password=NEW)
            running.server.wait_for_log("Redis refused the first password, and accepted", since)
            running.crowd.goes_on()
            running.restart(SIGNALING_REDIS_URL=redis.url.replace("//", f"//:{NEW}@"), WEB_CONCURRENCY=2)


@pytest.fixture
def turn(certificate: Path, tmp_path: Path) -> Iterator[Coturn]:
    """A TURN server whose secrets are in its database."""
    with Coturn(tmp_path, certificate, has_fixed_secret=False) as running:
        running.accept(OLD)
        yield running


def credentials(running: Service) -> tuple[str, str]:
    """Return the name and the password of a TURN server, as a client gets them now."""
    [relay] = running.server.get("/ice-servers")["iceServers"]
    return relay["username"], relay["credential"]


def test_the_secret_of_a_turn_server(turn: Coturn):
    """Relays that were begun go on, even when their secret is gone; coturn is not restarted."""
    given = turn.settings | {"SIGNALING_TURN_SECRET": OLD}
    with service(**given) as running:
        old = credentials(running)
        server = "127.0.0.1", turn.port
        with Relays(server, *old) as begun:
            turn.accept(OLD, NEW)
            assert relays(server, *old)
            running.restart(**given | {"SIGNALING_TURN_SECRET": NEW})
            new = credentials(running)
            assert relays(server, *old)
            assert relays(server, *new)
            turn.accept(NEW)
            assert relays(server, *new)
            assert not relays(server, *old)
            begun.carry()


def test_nobody_is_refused_a_relay_in_the_moment_in_which_secrets_change(turn: Coturn):
    over = threading.Event()
    # coturn's times have 32 bits.
    username = f"{2**31 - 1}:somebody"
    credential = base64.b64encode(hmac.digest(OLD.encode(), username.encode(), "sha1")).decode()

    def ask_for_relays() -> int:
        begun = 0
        while not over.is_set():
            try:
                assert allocate(turn, username, credential)
            except TransactionFailed as failure:
                # The port of a relay that has just ended was taken again (RFC 8656, section 7.2).
                if failure.response.attributes["ERROR-CODE"][0] != 437:
                    raise
            begun += 1
        return begun

    with ThreadPoolExecutor() as threads:
        asking = [threads.submit(ask_for_relays) for _ in range(2)]
        for _ in range(30):
            turn.accept(OLD, NEW)
            turn.accept(OLD)
        over.set()
        assert all(each.result() > 10 for each in asking)
