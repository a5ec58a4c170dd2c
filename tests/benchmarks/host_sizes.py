"""The sizes that an operator plans with and the benchmark does not measure: Redis, coturn, the metrics.

    python -m tests.benchmarks.host_sizes

It needs redis-server and turnserver, and takes some seconds. docs/operations.md has the figures.
"""

from __future__ import annotations

import re
import tempfile
import urllib.request
from pathlib import Path

from tests.certificates import make_certificate
from tests.coturn import Coturn
from tests.driver import Server, meet
from tests.redis_server import Redis, redis_server

USERS = 1_000
TOKEN = "t" * 32


def resident(pid: int) -> float:
    """The MiB of a process in memory."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


def used(redis: Redis) -> int:
    """The bytes that Redis says it uses."""
    answer = redis.ask("INFO", "memory")
    assert isinstance(answer, bytes)
    return int(answer.split(b"used_memory:")[1].split()[0])


def of_redis() -> dict[str, float]:
    """Users in rooms, through a real server."""
    with redis_server() as redis:
        assert redis.process is not None
        found = {"Redis, MiB while empty": resident(redis.process.pid)}
        with Server(SIGNALING_REDIS_URL=redis.url, WEB_CONCURRENCY=1, SIGNALING_JOIN_RATE=0) as server:
            server.wait_for_log("Connected to Redis")
            before, keys = used(redis), len(redis.names())
            clients = [client for pair in range(USERS // 2) for client in meet(server, f"alice-{pair}", f"bob-{pair}")]
            grown = used(redis) - before
            found |= {
                f"Redis, KiB more with {USERS:,} users": grown / 1024,
                f"Redis, keys more with {USERS:,} users": len(redis.names()) - keys,
                f"Redis, MiB with {USERS:,} users": resident(redis.process.pid),
            }
            for client in clients:
                client.close()
        return found


def of_coturn(folder: Path, certificate: Path) -> dict[str, float]:
    """A TURN server that nobody uses."""
    with Coturn(folder, certificate) as coturn:
        return {"coturn, MiB while idle": resident(coturn.process.pid)}


def of_metrics() -> dict[str, float]:
    """One answer of ``/metrics``, alone and of one worker of a cluster."""
    found: dict[str, float] = {}
    with redis_server() as redis:
        for kind, settings in ("one worker", {}), ("each worker with Redis", {"SIGNALING_REDIS_URL": redis.url}):
            with Server(SIGNALING_METRICS_TOKEN=TOKEN, WEB_CONCURRENCY=1, **settings) as server:
                request = urllib.request.Request(f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
                with urllib.request.urlopen(request) as answer:
                    text = answer.read().decode()
            series = [line for line in text.splitlines() if line and not line.startswith("#")]
            found |= {f"metrics, series of {kind}": len(series), f"metrics, KiB of {kind}": len(text) / 1024}
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate = make_certificate(folder / "localhost.crt")
        found = of_redis() | of_coturn(folder, certificate) | of_metrics()
    for what, value in found.items():
        print(f"{what}: {value:,.1f}")


if __name__ == "__main__":
    main()
