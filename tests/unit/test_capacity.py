"""What docs/scaling.md reckons with: the arithmetic, and users who call each other event by event."""

from __future__ import annotations

import math
import random
from dataclasses import fields, replace
from pathlib import Path

import pytest

from signaling.config import redis_url
from signaling.config.settings import Settings
from signaling.rooms.redis import client as redis_client
from tests.benchmarks import capacity
from tests.benchmarks.capacity import Costs, Load, Needs, Plan, Storm, planned, table, usual_cases
from tests.benchmarks.population import Population, Tally, compared, storm

SCALING = Path(__file__).parents[2] / "docs/scaling.md"
COSTS = Costs()
LOAD = Load(users=500)
SECONDS = 800


def lognormal(chance: random.Random, mean: float) -> float:
    """Most calls are short, and a few last for hours."""
    return chance.lognormvariate(math.log(mean) - 0.5, 1)


def played(plan: Plan, load: Load = LOAD, **more: object) -> Tally:
    return Population(load, plan, COSTS, **more).run(SECONDS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(hosts=1, workers_each=1),
        Plan(hosts=1, workers_each=2),
        Plan(hosts=2, workers_each=4),
        Plan(hosts=2, workers_each=4, sharded=True),
        Plan(hosts=1, workers_each=2, partitions=4, node_timeout=5),
    ],
    ids=["one worker", "two workers", "two hosts", "by pair", "cluster"],
)
def test_events_come_to_what_arithmetic_says(plan: Plan):
    needs, tally = Needs.of(LOAD, plan, COSTS), played(plan)
    assert tally.calls / SECONDS == pytest.approx(LOAD.calls, rel=0.15)
    # What is left is no chance, once it is reckoned with as many calls as there were.
    seen = replace(LOAD, calls_an_hour=LOAD.calls_an_hour * tally.calls / SECONDS / LOAD.calls)
    needs = Needs.of(seen, plan, COSTS)
    assert tally.connected / SECONDS == pytest.approx(LOAD.users, rel=0.08)
    assert sum(tally.workers) / SECONDS == pytest.approx(needs.cpu, rel=0.05)
    assert tally.scripts / SECONDS == pytest.approx(needs.scripts, rel=0.05)
    assert tally.published / SECONDS == pytest.approx(needs.published, rel=0.05)
    assert tally.beats / SECONDS == pytest.approx(needs.beats, rel=0.01)
    assert tally.redis / SECONDS == pytest.approx(needs.redis_cpu, rel=0.05)


def test_it_is_the_mean_length_of_calls_that_counts():
    plan = Plan(hosts=1, workers_each=2)
    tally = played(plan, length=lognormal)
    assert tally.connected / SECONDS == pytest.approx(LOAD.users, rel=0.1)
    assert sum(tally.workers) / SECONDS == pytest.approx(Needs.of(LOAD, plan, COSTS).cpu, rel=0.1)


def test_the_work_is_spread_evenly_over_the_workers():
    tally = played(Plan(hosts=1, workers_each=4))
    assert max(tally.workers) < 1.2 * min(tally.workers)


def test_users_who_do_not_call_cost_pings_alone():
    quiet, plan = replace(LOAD, calls_an_hour=0.001), Plan(hosts=1, workers_each=1)
    needs = Needs.of(quiet, plan, COSTS)
    assert needs.cpu == pytest.approx(needs.pings_cpu, rel=0.01)
    assert sum(played(plan, quiet).workers) / SECONDS == pytest.approx(needs.cpu, rel=0.02)


def test_calls_cannot_take_more_time_than_there_is():
    with pytest.raises(ValueError, match="more time than there is"):
        Load(calls_an_hour=8, call_seconds=600)


def test_a_worker_alone_asks_nothing_of_redis():
    needs = Needs.of(LOAD, Plan(hosts=1, workers_each=1), COSTS)
    assert (needs.operations, needs.redis_cpu, needs.redis_mib, needs.beats_cpu) == (0, 0, 0, 0)


def test_where_both_ends_of_a_pair_are_put_together_nothing_is_published():
    needs = Needs.of(LOAD, Plan(sharded=True), COSTS)
    assert needs.published == 0
    assert needs.scripts == pytest.approx(LOAD.calls * 4)


def test_with_many_workers_nearly_every_call_is_between_two():
    needs = Needs.of(LOAD, Plan(hosts=25, workers_each=4), COSTS)
    assert needs.published == pytest.approx(LOAD.calls * (52 + 2) * 0.99)


def test_the_plan_has_a_host_to_spare():
    load = Load(users=100_000)
    plan = planned(load, COSTS)
    assert plan.hosts == 3
    assert load.users <= (plan.hosts - 1) * plan.workers_each * plan.most_connections


def test_costly_calls_take_more_hosts_than_their_connections_do():
    load = Load(users=100_000)
    plan = planned(load, replace(COSTS, connect=200_000.0))
    assert Needs.of(load, plan, replace(COSTS, connect=200_000.0)).cpu <= (plan.workers - plan.workers_each) / 2
    assert plan.hosts > planned(load, COSTS).hosts


@pytest.mark.parametrize("hosts", [2, 3, 14])
def test_a_storm_lasts_as_long_as_arithmetic_says(hosts: int):
    load, plan = Load(users=hosts * 4_000), Plan(hosts=hosts, workers_each=2)
    reckoned = Storm.of(load, plan, COSTS)
    rest = replace(plan, hosts=hosts - 1)
    busy = Needs.of(load, rest, COSTS).cpu * (1 - 1 / hosts) / rest.workers
    lasted = storm(round(reckoned.users), rest.workers, busy, COSTS.connect + COSTS.join_shared)
    # The busiest worker has some more than its part.
    assert reckoned.seconds * 0.95 < lasted < reckoned.seconds * 1.3 + 0.1


def test_a_storm_that_lasts_longer_than_patience_lasts_longer_than_its_work():
    work = 5_000 * 8_000e-6
    assert storm(5_000, 1, 0.0, 8_000.0) > work > capacity.SURVEY_TIMEOUT


def test_the_program_reckons_with_what_the_service_does():
    assert redis_client.HEARTBEATS == capacity.HEARTBEATS
    assert redis_url.CLUSTER_PARTITIONS == capacity.PARTITIONS
    settings = Settings()
    assert settings.ping_interval == capacity.PING_SECONDS
    assert settings.node_timeout == Plan().node_timeout
    assert settings.max_connections == Plan().most_connections


def test_the_document_shows_what_the_program_prints():
    assert table(usual_cases(COSTS), COSTS) in SCALING.read_text()


def test_the_document_shows_every_cost_that_is_reckoned_with():
    rows = SCALING.read_text().splitlines()
    for cost in fields(Costs):
        row = next((row for row in rows if row.startswith(f"| `{cost.name}` |")), None)
        assert row is not None, cost.name
        assert f"| {getattr(COSTS, cost.name):g} |" in row


def test_the_program_shows_arithmetic_beside_events(capsys: pytest.CaptureFixture[str]):
    capacity.main(["--users", "500", "--workers", "2", "--simulate"])
    printed = capsys.readouterr().out
    assert "| users connected" in printed
    assert compared(Load(users=500), planned(Load(users=500), COSTS, workers_each=2), COSTS) in printed
