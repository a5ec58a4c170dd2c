"""What breaks, is stopped or hangs, and what users notice of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import time
import urllib.request

from tests.driver import Client, Server, meet
from tests.redis.cable import Cable
from tests.redis.conftest import NODE_TIMEOUT, REDIS_TIMEOUT, connected, host
from tests.redis.people import in_redis, indexed, meet_across, start_over, talk, types
from tests.redis_server import Redis, redis_server
from tests.waiting import TIMEOUT, wait_until

NO_JOIN = {
    "type": "error",
    "message": "No room can be joined at the moment: come back later",
    "code": "unavailable",
}
NO_RELAY = {"type": "error", "message": "Your peer cannot be reached at the moment", "code": "unavailable"}


def test_the_peers_of_a_killed_workers_users_hear_of_it(one: Server, redis: Redis):
    with host(redis.url) as doomed:
        alice, bob = meet_across(one, doomed, "survivor", "victim")
        lonely = Client(doomed)
        lonely.join("lonely", "nobody")
        with alice:
            os.kill(doomed.worker, signal.SIGKILL)
            bye = alice.receive()
            assert (bye["type"], bye["userId"], bye["reason"]) == ("bye", "victim", "lost")
            assert alice.receive()["userCount"] == 1
            # The master has started another worker, which the user comes back to.
            connected(doomed, doomed.log.index(doomed.wait_for_log("was sent SIGKILL")))
            with Client(doomed) as again:
                assert [reply["type"] for reply in again.join("victim", "survivor")] == ["joined", "roomInfo"]
                assert types(alice, 2) == ["ready", "roomInfo"]
                talk(alice, again)
            bob.vanish()
            lonely.vanish()
    wait_until(lambda: in_redis(redis) == {} and indexed(redis) == set())


def test_a_lost_worker_is_told_once_in_the_cluster_and_one_that_stops_is_none():
    token = {"SIGNALING_METRICS_TOKEN": "scraper"}
    with redis_server() as redis, host(redis.url, **token) as one, host(redis.url, **token) as other:
        for server in (one, other):
            connected(server)
        with host(redis.url) as stopped:
            connected(stopped)
            worker = stopped.worker
        with host(redis.url) as doomed, Client(doomed) as client:
            connected(doomed)
            lost = doomed.worker
            client.join("doomed", "nobody")
            wait_until(lambda: one.health()["connections"] == 1)
            os.kill(doomed.process.pid, signal.SIGKILL)
            os.kill(lost, signal.SIGKILL)
            wait_until(lambda: lost_lines(one, other))
        # The second one has evicted it as well, or will never.
        for server in (one, other):
            wait_until(lambda server=server: len(server.health()["nodes"]) == 2)
        [line] = lost_lines(one, other)
        assert line.endswith(f"WARNING Node {socket.gethostname()}:{lost} lost: its lease ended; it had 1 connections")
        assert not any(f":{worker} lost" in line for server in (one, other) for line in server.log)
        page = urllib.request.Request(one.url + "/metrics", headers={"Authorization": "Bearer scraper"})
        with urllib.request.urlopen(page, timeout=TIMEOUT) as response:
            counts = re.findall(r"^signaling_nodes_lost_total\{.*\} (\S+)$", response.read().decode(), re.MULTILINE)
        assert sorted(map(float, counts)) == [0, 1]


def lost_lines(*servers: Server) -> list[str]:
    return [line for server in servers for line in server.log if " lost: " in line]


def test_redis_ends_and_comes_back_empty():
    """Calls inside a worker go on; what needs Redis is refused in clear words; afterwards all is as it was."""
    with redis_server() as redis, host(redis.url) as one, host(redis.url) as other:
        connected(one), connected(other)
        inside = meet(one, "in", "side")
        across = meet_across(one, other, "here", "there")
        leaves, left = meet_across(one, other, "leaves", "is left")
        ids = in_redis(redis)
        before = [len(one.log), len(other.log)]
        redis.end()
        one.wait_for_log("Redis cannot be used", before[0])
        other.wait_for_log("Redis cannot be used", before[1])
        talk(*inside)
        for client in across:
            client.send(type="message", data="lost")
            assert client.receive() == NO_RELAY
        with Client(one) as late:
            late.send(type="join", userId="late", remoteId="comer")
            assert late.receive() == NO_JOIN
            assert late.closed()[0] == 1013
        leaves.close()
        before = [len(one.log), len(other.log)]
        redis.start()
        connected(one, before[0])
        connected(other, before[1])
        # Where its own worker is back first, the two meet once more before that.
        bye = left.receive()
        while bye["type"] in ("ready", "roomInfo"):
            bye = left.receive()
        assert (bye["type"], bye["userId"], bye["reason"]) == ("bye", "leaves", "left")
        assert left.receive()["userCount"] == 1
        wait_until(lambda: in_redis(redis).get("here_there") == ids["here_there"])
        # Between workers something may be lost. Nobody else is told anything.
        start_over(*across)
        talk(*across)
        talk(*inside)
        with Client(one) as late:
            assert [reply["type"] for reply in late.join("late", "comer")] == ["created", "roomInfo"]
        for client in (*inside, *across, left):
            client.close()
        wait_until(lambda: in_redis(redis) == {} and indexed(redis) == set())


def test_redis_stands_still_for_longer_than_anybody_waits():
    with redis_server() as redis, host(redis.url) as one, host(redis.url) as other:
        connected(one), connected(other)
        inside = meet(one, "in", "side")
        across = meet_across(one, other, "here", "there")
        before = [len(one.log), len(other.log)]
        redis.hold()
        one.wait_for_log("Redis cannot be used", before[0])
        other.wait_for_log("Redis cannot be used", before[1])
        talk(*inside)
        across[0].send(type="message", data="lost")
        assert across[0].receive() == NO_RELAY
        with Client(one) as late:
            late.send(type="join", userId="late", remoteId="comer")
            assert late.receive() == NO_JOIN
        # For longer than a lease: nobody is to be taken for dead by the first who comes back.
        time.sleep(NODE_TIMEOUT)
        before = [len(one.log), len(other.log)]
        redis.go_on()
        connected(one, before[0])
        connected(other, before[1])
        start_over(*across)
        talk(*across)
        talk(*inside)
        assert "comer_late" not in in_redis(redis), "who was refused is not there"
        for client in (*inside, *across):
            client.close()
        wait_until(lambda: in_redis(redis) == {} and indexed(redis) == set())


def test_a_short_pause_of_redis_is_not_noticed(one: Server, other: Server, redis: Redis):
    alice, bob = meet_across(one, other, "patient", "waiter")
    with alice, bob, Client(one) as late:
        since = len(one.log)
        redis.ask("CLIENT", "PAUSE", str(int(REDIS_TIMEOUT * 1000 / 3)), "ALL")
        alice.send(type="message", data="through")
        late.send(type="join", userId="late", remoteId="comer")
        assert bob.receive()["data"] == "through"
        assert types(late, 2) == ["created", "roomInfo"]
        assert not [line for line in one.log[since:] if "Redis" in line]


def test_a_host_that_was_cut_off_never_speaks_for_a_user_who_moved(other: Server, redis: Redis):
    with Cable(redis.port) as cable, host(cable.url) as cut:
        connected(cut)
        alice, bob = meet_across(cut, other, "alice", "bob")
        mover, stays = meet_across(cut, other, "mover", "stays")
        inside = meet(cut, "in", "side")
        since = len(cut.log)
        cable.pull()
        # Those on the other side are told when the host has been silent for too long.
        assert [client.receive()["type"] for client in (bob, stays)] == ["bye", "bye"]
        assert [client.receive()["userCount"] for client in (bob, stays)] == [1, 1]
        cut.wait_for_log("Redis cannot be used", since)
        alice.send(type="message", data="lost")
        assert alice.receive() == NO_RELAY
        talk(*inside)
        # A user whose host is cut off comes back over the other one.
        with Client(other) as moved:
            assert [reply["type"] for reply in moved.join("mover", "stays")] == ["joined", "roomInfo"]
            assert types(stays, 2) == ["ready", "roomInfo"]
            talk(moved, stays)
            since = len(cut.log)
            cable.plug()
            connected(cut, since)
            assert mover.receive()["code"] == "replaced"
            assert mover.closed()[0] == 4001
            start_over(alice, bob)
            talk(alice, bob)
            talk(moved, stays)
            talk(*inside)
            assert stays.quiet()
        for client in (alice, bob, stays, *inside):
            client.close()
    wait_until(lambda: in_redis(redis) == {} and indexed(redis) == set())


def test_users_who_left_a_host_that_was_cut_off_are_gone_when_it_is_back(other: Server, redis: Redis):
    with Cable(redis.port) as cable, host(cable.url) as cut:
        connected(cut)
        alice, bob = meet_across(cut, other, "goes", "stays")
        both = meet_across(cut, other, "goes too", "goes as well")
        since = len(cut.log)
        cable.pull()
        cut.wait_for_log("Redis cannot be used", since)
        alice.close()
        for client in both:
            client.close()
        bye = bob.receive()
        assert (bye["type"], bye["userId"], bye["reason"]) == ("bye", "goes", "lost")
        assert bob.receive()["userCount"] == 1
        since = len(cut.log)
        cable.plug()
        connected(cut, since)
        wait_until(lambda: set(in_redis(redis)) == {"goes_stays"} and len(indexed(redis)) == 1)
        assert bob.quiet(), "one bye for a departure"
        bob.close()
    wait_until(lambda: in_redis(redis) == {} and indexed(redis) == set())


def test_a_wrong_password_is_said_in_the_log_and_never_shown():
    with redis_server("--requirepass", "right") as redis:
        url = f"redis://:wrong-{'x' * 8}@127.0.0.1:{redis.port}"
        server = Server(SIGNALING_REDIS_URL=url, WEB_CONCURRENCY=1)
        try:
            line = server.wait_for_log("Redis cannot be used")
            assert "WRONGPASS" in line
            assert not [line for line in server.log if "wrong-x" in line]
        finally:
            server.stop()
        with host(f"redis://:right@127.0.0.1:{redis.port}/3") as good:
            connected(good)
