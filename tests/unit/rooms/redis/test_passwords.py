"""A password of Redis, or of its Sentinels, that changes: the second one is tried if the first one is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from signaling.config.redis_url import Address
from signaling.config.settings import Settings
from signaling.rooms.redis.connection import RedisConnectionError
from signaling.rooms.redis.connector import Connector
from tests.redis_server import Redis, ask, redis_server

OLD, NEW = "the old password", "the new password"
ACCEPTED = "Redis refused the first password, and accepted SIGNALING_REDIS_PASSWORD_FALLBACK"


@pytest.fixture
def server() -> Iterator[Redis]:
    with redis_server() as running:
        yield running


def connects(server: Redis, first: str, second: str = "", user: str = "") -> None:
    host = Address("127.0.0.1", server.port)
    url = f"redis://{user}:{first.replace(' ', '%20')}@{host}"
    connection = Connector(Settings(redis_url=url, redis_password_fallback=second)).open(host)
    try:
        assert connection.execute("PING", seconds=5) == b"PONG"
    finally:
        connection.abort("done")


@pytest.mark.parametrize("user", ["", "signaling"])
def test_the_second_password_is_tried_if_redis_refuses_the_first(
    server: Redis, caplog: pytest.LogCaptureFixture, user: str
):
    caplog.set_level(logging.INFO)
    server.ask("ACL", "SETUSER", user or "default", "resetpass", "on", f">{OLD}", "~*", "&*", "+@all")
    connects(server, OLD, NEW, user)
    assert caplog.messages == []
    connects(server, NEW, OLD, user)
    assert caplog.messages == [ACCEPTED]
    for first, second in ((NEW, ""), (NEW, "neither of them")):
        with pytest.raises(RedisConnectionError, match="WRONGPASS"):
            connects(server, first, second, user)
    assert caplog.messages == [ACCEPTED]


def test_the_second_password_of_sentinels(caplog: pytest.LogCaptureFixture):
    """A Redis stands for a Sentinel here: the two ask for a password alike."""
    with redis_server("--requirepass", OLD) as sentinel:
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/master"
        settings = Settings(redis_url=url, redis_sentinel_password=NEW, redis_sentinel_password_fallback=OLD)
        with pytest.raises(RedisConnectionError, match="unknown command 'SENTINEL'"):
            Connector(settings).locate()
        assert caplog.messages == [ACCEPTED.replace("REDIS_", "REDIS_SENTINEL_")]
        with pytest.raises(RedisConnectionError, match="WRONGPASS"):
            Connector(Settings(redis_url=url, redis_sentinel_password=NEW)).locate()
        assert ask(sentinel.port, "PING", password=OLD) == b"PONG"
