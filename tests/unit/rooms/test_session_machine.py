"""Every order of joining, relaying, leaving, replacing and dropping keeps the rules."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from signaling.config.settings import Settings
from signaling.rooms.memory import MemoryRegistry
from signaling.rooms.redis.registry import RedisRegistry
from tests.redis_server import Redis
from tests.unit.people import Person, Workers

# Few, so that they meet; with names that collide, and an integer that is a string's twin.
IDS = st.sampled_from(["a", "b", "c", "a_b", "b_c", 1, "1"])


class Client(Person):
    """A person who believes what the server says, and checks that it fits together."""

    def __init__(self, workers: Workers) -> None:
        super().__init__(workers)
        self.gone = False
        self.members: list[str] = []
        self.byes: set[str] = set()

    def send_text(self, *payloads: bytes) -> None:
        for reply in map(json.loads, payloads):
            assert not self.gone, f"{reply} to one who is gone"
            if reply["type"] == "roomInfo":
                self.members = [user["id"] for user in reply["users"]]
                assert reply["userCount"] == len(self.members)
            elif reply["type"] == "bye":
                assert reply["id"] in self.members, "a bye for somebody who was not there, or a second one"
                self.members.remove(reply["id"])
            self.inbox.append(reply)

    def close(self, code: int, reason: str = "") -> None:
        self.close_code = int(code)


class PartitionRooms(RuleBasedStateMachine):
    clients = Bundle("clients")

    def __init__(self) -> None:
        super().__init__()
        self.workers = self.made()
        self.present: list[Client] = []

    def made(self) -> Workers:
        return Workers(MemoryRegistry())

    def teardown(self) -> None:
        self.workers.stop()

    @rule(target=clients)
    def connect(self) -> Client:
        client = Client(self.workers)
        self.present.append(client)
        return client

    @rule(client=clients, user=IDS, remote=IDS)
    def join(self, client: Client, user: str | int, remote: str | int) -> None:
        if client.close_code is not None:
            return
        for other in self.present:
            other.hears()
        before = client.session.peer
        client.joins(user, remote)
        if str(user) == str(remote):
            assert client.close_code == 1008
            return
        told = [[reply["type"] for reply in other.hears()] for other in self.present if other is not client]
        starts = sum("ready" in types for types in told)
        after = client.session.peer
        assert starts == (after is not None), "exactly one initiator for each meeting"
        assert sum("bye" in types for types in told) == (before is not None and before.id != (after and after.id))

    @rule(client=clients, kind=st.sampled_from(["message", "candidate"]))
    def relay(self, client: Client, kind: str) -> None:
        if client.close_code is not None:
            return
        for other in self.present:
            other.hears()
        client.says(type=kind, data="x", candidate="x")
        heard = [other for other in self.present if any(r["type"] == "message" for r in other.hears())]
        assert [other.session.id for other in heard] == ([client.session.peer.id] if client.session.peer else [])

    @rule(client=clients)
    def leave(self, client: Client) -> None:
        if client.close_code is not None:
            return
        self._departs(client, lambda: client.says(type="bye"))

    @rule(client=consumes(clients), code=st.sampled_from([1000, 1001, 1006, 1009, 4008]))
    def drop(self, client: Client, code: int) -> None:
        self._departs(client, lambda: client.drops(client.close_code or code))
        client.gone = True
        self.present.remove(client)

    def _departs(self, client: Client, act) -> None:
        for other in self.present:
            other.hears()
        peer = client.session.peer
        act()
        byes = [other.session.id for other in self.present for reply in other.hears() if reply["type"] == "bye"]
        assert byes == ([peer.id] if peer else []), "exactly one bye for each departure"

    @invariant()
    def rooms_are_pairs(self) -> None:
        self.workers.settle()
        inside = [client.session for client in self.present if client.session.pair is not None]
        rooms: dict[object, list] = {}
        for session in inside:
            rooms.setdefault(session.pair, []).append(session)
        assert len(rooms) == self.workers.room_count, "no empty room, and nobody in one the registry does not know"
        for pair, members in rooms.items():
            assert len(members) <= 2, "never a third user"
            assert len({member.user.key for member in members}) == len(members)
            assert {member.user.key for member in members} <= set(pair)
            for member in members:
                others = [other for other in members if other is not member]
                assert (member.peer and member.peer.id) == (others[0].id if others else None)

    @invariant()
    def room_info_agrees_with_membership(self) -> None:
        for client in self.present:
            if client.session.pair is not None:
                peer = client.session.peer
                assert set(client.members) == {client.session.id} | ({peer.id} if peer else set())


# One takes as long as five of other properties, and four times that with a Redis.
EXAMPLES = settings.default.max_examples // 5
PartitionRooms.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40)
TestRooms = PartitionRooms.TestCase


def test_every_order_keeps_the_rules_where_several_workers_share_the_rooms(redis: Redis):
    class Shared(PartitionRooms):
        def made(self) -> Workers:
            redis.ask("FLUSHALL")
            given = Settings(redis_url=redis.url, call_grace=0)
            return Workers(*(RedisRegistry(given) for _ in range(2)))

        def teardown(self) -> None:
            for client in self.present:
                client.drops()
            self.workers.settle()
            left = [name for name in redis.names() if not name.startswith("signaling:{0}:ended:")]
            assert left == ["signaling:{0}:workers"], "nothing that lasts is left when everybody left"
            super().teardown()

    run_state_machine_as_test(Shared, settings=settings(max_examples=EXAMPLES // 4, stateful_step_count=30))
