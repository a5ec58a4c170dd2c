"""Redis with Sentinels, and as a cluster: when a master dies, another takes its place, and calls go on."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.driver import Client, Server, meet
from tests.integration.test_metrics import own_port
from tests.redis.conftest import connected, host
from tests.redis.people import catch_up, meet_across, start_over, talk, types
from tests.redis_server import Redis, ask, free_port, redis_server
from tests.waiting import TIMEOUT, wait_until

WATCHWORD = "who-goes-there"
"""The password of the Sentinels."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is to be ended after the test."""
    with ExitStack() as undo:
        yield undo


def sentinel(folder: Path, master: int) -> Redis:
    """Return a Sentinel that decides alone, and soon."""
    file = folder / "sentinel.conf"
    file.write_text(
        f"sentinel monitor calls 127.0.0.1 {master} 1\n"
        "sentinel down-after-milliseconds calls 3000\n"
        "sentinel failover-timeout calls 5000\n"
        f"requirepass {WATCHWORD}\n"
    )
    return Redis(folder, free_port(), str(file), "--sentinel", ready=b"Sentinel ID is")


def test_a_replica_that_sentinels_promote_takes_over(stack: ExitStack, tmp_path: Path):
    master = stack.enter_context(redis_server())
    replica = stack.enter_context(
        redis_server("--replicaof", f"127.0.0.1 {master.port}", "--repl-diskless-sync-delay", "0")
    )
    watch = sentinel(tmp_path, master.port)
    stack.callback(watch.end)
    watch.start()
    wait_until(lambda: ask(watch.port, "SENTINEL", "REPLICAS", "calls", password=WATCHWORD))
    wait_until(lambda: b"master_link_status:up" in ask(replica.port, "INFO", "replication"))
    url = f"redis+sentinel://127.0.0.1:{watch.port}/calls"
    settings = {"SIGNALING_REDIS_SENTINEL_PASSWORD": WATCHWORD}
    one, other = (stack.enter_context(host(url, **settings)) for _ in range(2))
    connected(one), connected(other)
    across, inside = meet_across(one, other, "alice", "bob"), meet(one, "in", "side")
    before = [len(one.log), len(other.log)]
    master.end()
    for server, since in zip((one, other), before, strict=True):
        server.wait_for_log(f"Connected to Redis at 127.0.0.1:{replica.port}", since, 3 * TIMEOUT)
    talk(*inside)
    start_over(*across)
    talk(*across)
    with Client(one) as late, Client(other) as later:
        late.join("late", "later")
        assert [reply["type"] for reply in later.join("later", "late")] == ["joined", "roomInfo"]
        assert types(late, 2) == ["ready", "roomInfo"]
    for client in (*across, *inside):
        client.close()


def cluster(stack: ExitStack, count: int, *more: str, replicas: int) -> list[Redis]:
    """Return the servers of a cluster whose masters have a third of the slots each; ``more`` are options of each."""
    options = (*more, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--repl-diskless-sync-delay", "0")
    buses = [free_port() for _ in range(count)]
    servers = [stack.enter_context(redis_server(*options, "--cluster-port", str(bus))) for bus in buses]
    addresses = [f"127.0.0.1:{server.port}@{bus}" for server, bus in zip(servers, buses, strict=True)]
    command = ["redis-cli", "--cluster", "create", *addresses, "--cluster-replicas", str(replicas), "--cluster-yes"]
    subprocess.run(command, check=True, capture_output=True, timeout=3 * TIMEOUT)
    for server in servers:
        wait_until(lambda server=server: b"cluster_state:ok" in server.ask("CLUSTER", "INFO"))
    return servers


def cluster_url(servers: list[Redis]) -> str:
    return "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in servers)


def test_the_rooms_are_spread_over_the_masters_of_a_cluster_and_a_replica_takes_over(stack: ExitStack):
    servers = cluster(stack, 6, replicas=1)
    masters = [server for server in servers if server.ask("ROLE")[0] == b"master"]  # type: ignore[index]
    replicas = [server for server in servers if server not in masters]
    for replica in replicas:
        wait_until(lambda replica=replica: b"master_link_status:up" in replica.ask("INFO", "replication"))
    one, other = (stack.enter_context(host(cluster_url(servers))) for _ in range(2))
    wait_for_all(one), wait_for_all(other)
    calls = [meet_across(one, other, f"c{number}", f"d{number}") for number in range(12)]
    inside = meet(one, "in", "side")
    for call in calls:
        talk(*call)
    spread = [sum(b":room:" in key for key in server.ask("KEYS", "*")) for server in masters]  # type: ignore[union-attr]
    assert sum(spread) == 13
    assert all(spread), "each has some"
    before = [len(one.log), len(other.log)]
    masters[0].end()
    for server, since in zip((one, other), before, strict=True):
        pattern = "Connected to Redis at .*:(" + "|".join(str(replica.port) for replica in replicas) + ")"
        server.wait_for_log(pattern, since, 3 * TIMEOUT)
    starts = [catch_up(*call) for call in calls]
    assert all(all(ends) == any(ends) for ends in starts), "both ends, or none"
    for call in calls:
        talk(*call)
    talk(*inside)
    for client in (*inside, *(client for call in calls for client in call)):
        client.close()


ENDPOINTS = {
    "an address": ((), b"127.0.0.1"),
    "null": (("--cluster-preferred-endpoint-type", "unknown-endpoint"), None),
    "unknown": (("--cluster-preferred-endpoint-type", "hostname"), b"?"),
    "a name": (
        ("--cluster-preferred-endpoint-type", "hostname", "--cluster-announce-hostname", "localhost"),
        b"localhost",
    ),
}
"""What the servers of a cluster tell of where they are, and how."""


@pytest.mark.long
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_workers_ask_each_other_over_a_cluster_as_well(stack: ExitStack, endpoint: str):
    options, told = ENDPOINTS[endpoint]
    servers = cluster(stack, 3, *options, replicas=0)
    # The names of the others come with their gossip.
    wait_until(lambda: {shard[2][0] for shard in servers[0].ask("CLUSTER", "SLOTS")} == {told})  # type: ignore[attr-defined]
    url = cluster_url(servers)
    one, other = (stack.enter_context(host(url, SIGNALING_METRICS_BIND="127.0.0.1:0")) for _ in range(2))
    for server in (one, other):
        wait_until(lambda server=server: len(server.health()["nodes"]) == 2)
        with urllib.request.urlopen(own_port(server), timeout=TIMEOUT) as response:
            assert len(re.findall(rb"^signaling_node_up.* 1.0$", response.read(), re.MULTILINE)) == 2
    # One that is restarted is found where it was.
    before = len(one.log)
    servers[1].end()
    one.wait_for_log("Redis cannot be used", before)
    before = len(one.log)
    servers[1].start()
    connected(one, before)
    connected(other)
    for number in range(6):
        call = meet_across(one, other, f"e{number}", f"f{number}")
        talk(*call)
        for client in call:
            client.close()


def wait_for_all(server: Server) -> None:
    """Wait until the log says that each of three masters is connected."""
    since = 0
    for _ in range(3):
        since = server.log.index(server.wait_for_log("Connected to Redis", since), since) + 1
