"""Users of several hosts, and what is left of them."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.driver import Client, Server
from tests.redis_server import Redis


def meet_across(one: Server, other: Server, user: str, remote: str) -> tuple[Client, Client]:
    """Return two clients in one room, each at its host, the first having been there first."""
    first, second = Client(one), Client(other)
    assert [reply["type"] for reply in first.join(user, remote)] == ["created", "roomInfo"]
    assert [reply["type"] for reply in second.join(remote, user)] == ["joined", "roomInfo"]
    assert [first.receive()["type"], first.receive()["type"]] == ["ready", "roomInfo"]
    return first, second


def talk(one: Client, other: Client, word: Any = "hello") -> None:
    """Say something to each other; nothing else may be heard before it."""
    for speaker, listener in ((one, other), (other, one)):
        speaker.send(type="message", data=word)
        assert listener.receive()["data"] == word


def start_over(one: Client, other: Client) -> None:
    """Hear at both ends that negotiation starts over, since a worker's connection to Redis broke. Some hear it twice.

    They do where both connections broke, and Redis noticed of one only after the other had been opened again.
    """
    assert all(catch_up(one, other))


def catch_up(one: Client, other: Client) -> list[int]:
    """Hear at both ends all that was on its way, and return how often each was told to start over."""
    found = []
    for speaker, listener in ((other, one), (one, other)):
        # It comes behind all that the other worker said before.
        speaker.send(type="message", data="since")
        heard = []
        while (reply := listener.receive())["type"] != "message":
            heard.append(reply["type"])
        assert reply["data"] == "since"
        assert heard == ["ready", "roomInfo"] * (len(heard) // 2)
        found.append(len(heard) // 2)
    return found


def types(client: Client, count: int) -> list[str]:
    """Return the types of the next messages."""
    return [client.receive()["type"] for _ in range(count)]


def in_redis(redis: Redis) -> dict[str, set[str]]:
    """Return who Redis says is in which room: connections, by the rooms' names."""
    rooms = {}
    for key in redis.names():
        if ":room:" in key:
            seats = redis.ask("HVALS", key)
            assert isinstance(seats, list)
            rooms[key.rpartition(":")[2]] = {msgspec.msgpack.decode(seat)[0] for seat in seats}
    return rooms


def indexed(redis: Redis) -> set[str]:
    """Return the connections that are in some worker's index."""
    found: set[str] = set()
    for key in redis.names():
        if ":connections:" in key:
            ids = redis.ask("HKEYS", key)
            assert isinstance(ids, list)
            found |= {id_.decode() for id_ in ids}
    return found
