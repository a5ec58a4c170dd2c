"""The log of calls at several hosts: one line for each call in the cluster, whoever ends it."""

from __future__ import annotations

import os
import re
import signal

from tests.driver import Client, Server
from tests.redis.conftest import connected, host
from tests.redis.people import meet_across
from tests.redis_server import redis_server
from tests.waiting import wait_until

CALLS = {"SIGNALING_LOG_EVENTS": "calls", "SIGNALING_CALL_GRACE": 1}


def ends(*servers: Server) -> list[str]:
    """Return the lines of ended calls and waits, without what varies."""
    lines = [line.partition("] ")[2] for server in servers for line in server.log if " call=" in line]
    return sorted(re.sub(r" (call|answered|seconds)=\S+", "", line) for line in lines)


def answered(one: Client, other: Client) -> None:
    for sender, receiver, kind in ((one, other, "offer"), (other, one, "answer")):
        sender.send(type="message", data={"type": kind, "sdp": "v=0"})
        assert receiver.receive()["type"] == "message"


def test_a_call_between_hosts_has_one_line_however_it_ends():
    with redis_server() as redis, host(redis.url, **CALLS) as one, host(redis.url, **CALLS) as other:
        for server in (one, other):
            connected(server)
        # The first user answers, so that the host of the second one, which measures the call, sees no answer.
        first, second = meet_across(one, other, "ann", "ben")
        answered(second, first)
        for user in (first, second):
            user.send(type="bye")
            user.close()
        # Nobody says goodbye: the grace ends the call, at any host.
        for user in meet_across(one, other, "cid", "dan"):
            user.vanish()
        alone = Client(other)
        alone.join("eve", "nobody")
        alone.close()
        expected = [
            "Call of ann and ben ended outcome=answered reason=left",
            "Call of cid and dan ended outcome=unanswered reason=lost",
            "User eve waited for nobody, who did not come outcome=no-peer reason=left",
        ]
        wait_until(lambda: ends(one, other) == expected, told=lambda: ends(one, other))
        with host(redis.url, **CALLS) as doomed:
            connected(doomed)
            first, second = meet_across(one, doomed, "fay", "gus")
            answered(first, second)
            for process in (doomed.process.pid, doomed.worker):
                os.kill(process, signal.SIGKILL)
            assert first.receive()["reason"] == "lost"
            expected.insert(2, "Call of fay and gus ended outcome=answered reason=lost")
            wait_until(lambda: ends(one, other) == expected, told=lambda: ends(one, other))
            for user in (first, second):
                user.vanish()
        for server in (one, other):
            wait_until(lambda server=server: len(server.health()["nodes"]) == 2)
        assert ends(one, other) == expected
        assert not [line for server in (one, other) for line in server.log if "Client connected" in line]


def test_a_host_without_clients_writes_the_lines_of_dead_ones():
    with redis_server() as redis:
        with host(redis.url, **CALLS) as doomed:
            connected(doomed)
            users = meet_across(doomed, doomed, "ann", "ben")
            for process in (doomed.process.pid, doomed.worker):
                os.kill(process, signal.SIGKILL)
            for user in users:
                user.vanish()
        with host(redis.url, **CALLS) as next_one:
            next_one.wait_for_log("Call of ann and ben ended call=")
