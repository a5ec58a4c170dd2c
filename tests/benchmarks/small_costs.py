"""What the small things cost that ``capacity.py`` reckons with and the benchmark does not measure.

    python -m tests.benchmarks.small_costs

Of Redis: a join, a departure, a heartbeat by the number of workers, the memory of a seat. Of a worker, over TLS: a
ping, a ``ping`` of the browser client, the end of a connection, a heartbeat.
CPU is the system's account of the process, in µs.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hiredis
from websockets.asyncio.client import ClientConnection, connect

from signaling.config.redis_url import CLUSTER_PARTITIONS
from signaling.rooms.redis import client as redis_client
from signaling.rooms.redis.scripts import Scripts
from tests.certificates import make_certificate
from tests.driver import Server
from tests.redis_server import Redis, free_port, redis_server

ROUNDS = 3
CONNECTIONS = 400
CPUCLOCK_SCHED = 2
PREFIX = "signaling:{0}:"
WORKERS = f"{PREFIX}workers"
LEASE = "600000"
MICRO = 1e6


def cpu(pid: int) -> float:
    """The seconds of CPU that a process has used."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


class Scripted:
    """A connection to a Redis that has our scripts."""

    def __init__(self, server: Redis) -> None:
        assert server.process is not None
        self._pid = server.process.pid
        self._reader = hiredis.Reader()
        self._sock = socket.create_connection(("127.0.0.1", server.port))
        self._scripts = Scripts(sharded=False)
        for source in self._scripts.sources:
            self.ask("SCRIPT", "LOAD", source)
        self.ask("FLUSHALL")

    def ask(self, *command: str) -> object:
        self._sock.sendall(hiredis.pack_command(command))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._sock.recv(65_536))
        if isinstance(reply, Exception):
            raise reply
        return reply

    def cost(self, commands: Sequence[tuple[str, ...]]) -> float:
        """The µs that each of `commands` takes, sent one after the other."""
        before = cpu(self._pid)
        for command in commands:
            self.ask(*command)
        return (cpu(self._pid) - before) / len(commands) * MICRO

    def of_workers(self, script: str, *arguments: str) -> tuple[str, ...]:
        return "EVALSHA", self._scripts.digests[script], "1", WORKERS, *arguments

    def of_rooms(self, script: str, number: int, end: int, *more: str) -> tuple[str, ...]:
        """What one end of a pair does: `enter` or `leave`."""
        pair = f"user-{number:08}-a", f"user-{number:08}-b"
        keys = f"{PREFIX}room:15:{'_'.join(pair)}", WORKERS
        worker, user = name(0), pair[end]
        own = (f'"{user}"', user, "") if script == "join" else (user, "left", worker)
        digest = self._scripts.digests[script]
        return "EVALSHA", digest, "2", *keys, PREFIX, worker, "epoch", *pair, f"{number:015x}{end}", *own

    def memory(self) -> int:
        text = self.ask("INFO", "memory")
        assert isinstance(text, bytes)
        return int(text.split(b"used_memory:")[1].split()[0])


def name(worker: int) -> str:
    return f"{worker:016x}"


def of_redis(server: Redis) -> dict[str, float]:
    redis = Scripted(server)
    redis.ask(*redis.of_workers("register", name(0), "epoch", LEASE, "{}"))
    ends = [(number, end) for number in range(3_000) for end in range(2)]
    before = redis.memory()
    found = {"Redis, a join": redis.cost([redis.of_rooms("join", *end) for end in ends])}
    found["Redis, bytes of a seat"] = (redis.memory() - before) / len(ends)
    found["Redis, a departure"] = redis.cost([redis.of_rooms("leave", *end) for end in ends])
    with socket.create_connection(("127.0.0.1", server.port)) as listener:
        listener.sendall(hiredis.pack_command(("SUBSCRIBE", "signaling:{0}:worker:somebody")))
        listener.recv(1_024)
        message = "PUBLISH", "signaling:{0}:worker:somebody", 300 * "x"
        # What it hears is less than what the kernel keeps for it.
        found["Redis, a message to another worker"] = redis.cost([message] * 2_000)
    words = json.dumps({"connections": 10_000, "rooms": 5_000})
    known = 1
    for workers in (2, 10, 50, 100, 200):
        while known < workers:
            redis.ask(*redis.of_workers("register", name(known), "epoch", LEASE, "{}"))
            known += 1
        beats = [redis.of_workers("heartbeat", name(at % workers), "epoch", LEASE, words) for at in range(500)]
        found[f"Redis, a heartbeat of {workers} workers"] = redis.cost(beats)
    return found


@contextmanager
def served(certificate: Path, **settings: object) -> Iterator[Server]:
    with Server(certificate, SIGNALING_LOG_LEVEL="info", WEB_CONCURRENCY=1, **settings) as server:
        yield server


async def of_worker(server: Server) -> dict[str, float]:
    """The server pings every second."""
    context = ssl.create_default_context(cafile=str(server.certificate))
    clients: list[ClientConnection] = []
    spent = cpu(server.worker)

    def since() -> float:
        nonlocal spent
        before, spent = spent, cpu(server.worker)
        return (spent - before) * MICRO

    for number in range(CONNECTIONS):
        client = await connect(server.ws_url, ssl=context, ping_interval=None, compression=None)
        await client.send(json.dumps({"type": "join", "userId": f"user {number}", "remoteId": "nobody"}))
        await client.recv()
        clients.append(client)
    await asyncio.sleep(2)
    since()
    started = time.monotonic()
    await asyncio.sleep(8)
    quiet = since() / (time.monotonic() - started)
    started = time.monotonic()
    for client in clients:
        await client.send('{"type":"ping"}')
    answers = [(await client.recv(), await client.recv()) for client in clients]
    asked = since() - (time.monotonic() - started) * quiet
    assert all("pong" in answer[-1] for answer in answers)
    started = time.monotonic()
    for client in clients:
        await client.close()
    # Fewer and fewer are pinged.
    left = since() - (time.monotonic() - started) * quiet / 2
    return {
        "worker, a ping": quiet / CONNECTIONS,
        "worker, a ping of the browser client": asked / CONNECTIONS,
        "worker, a departure and the end of its connection": left / CONNECTIONS,
    }


def of_heartbeats(certificate: Path, url: str, partitions: int) -> float:
    """What a worker that nobody is connected to spends on a heartbeat to so many partitions."""
    spent = []
    for timeout in (1, 3_600):
        with served(certificate, SIGNALING_REDIS_URL=url, SIGNALING_NODE_TIMEOUT=timeout) as server:
            server.wait_for_log("Connected to Redis")
            before, begun = cpu(server.worker), time.monotonic()
            time.sleep(10)
            spent.append((cpu(server.worker) - before) / (time.monotonic() - begun))
    return (spent[0] - spent[1]) / redis_client.HEARTBEATS / partitions * MICRO


def main() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        certificate = make_certificate(Path(folder) / "localhost.crt")
        for _ in range(ROUNDS):
            with redis_server() as redis:
                found = of_redis(redis)
                redis.ask("FLUSHALL")
                for kind, settings in ("", {}), (", with Redis", {"SIGNALING_REDIS_URL": redis.url}):
                    with served(certificate, SIGNALING_PING_INTERVAL=1, **settings) as server:
                        found |= {what + kind: cost for what, cost in asyncio.run(of_worker(server)).items()}
                found["worker, a heartbeat"] = of_heartbeats(certificate, redis.url, 1)
            with redis_server("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as redis:
                redis.ask("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
                url = redis.url.replace("redis:", "redis+cluster:")
                found["worker, a heartbeat for a partition"] = of_heartbeats(certificate, url, CLUSTER_PARTITIONS)
            rounds.append(found)
    for what in rounds[0]:
        values = sorted(found[what] for found in rounds)
        print(f"{what}: {values[len(values) // 2]:.1f} ({values[0]:.1f} to {values[-1]:.1f})")


if __name__ == "__main__":
    main()
