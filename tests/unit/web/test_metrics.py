"""The metrics, and that the alerts, the dashboard and the document know them by their names."""

from __future__ import annotations

import inspect
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from signaling.config.env import SettingsError
from signaling.config.settings import Settings
from signaling.node import gate
from signaling.node.node import Node
from signaling.protocol.codes import CloseCode, ErrorCode
from signaling.rooms.memory import MemoryRegistry
from signaling.telemetry.stats import REASONS
from signaling.transport import tls
from signaling.web.metrics import Metrics
from tests.redis_server import Redis
from tests.waiting import TIMEOUT

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "docs" / "monitoring.md"
ALERTS = ROOT / "docs" / "monitoring" / "alerts.yml"
DASHBOARD = ROOT / "docs" / "monitoring" / "dashboard.json"

WEBHOOK = {"webhook_url": "https://app.example.org/hook", "webhook_secret": "s" * 32}

NAME = re.compile(r"\b(?:signaling|process|python)_[a-z_]+\b")


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(tls, "status", lambda: tls.Status(1_800_000_000.0, refused=False))
    return Node(Settings(**WEBHOOK), MemoryRegistry())


@pytest.fixture
def shared(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """One that shares its rooms, and is the only one at the moment."""
    monkeypatch.setattr(tls, "status", lambda: tls.Status(1_800_000_000.0, refused=False))
    redis.ask("FLUSHALL")
    made = Node(Settings(redis_url=redis.url, **WEBHOOK))
    made.shared.redis.wait_for(0)
    yield made
    made.leave_cluster()


def families(node: Node):
    page, _ = Metrics(node).page("")
    return list(text_string_to_metric_families(page.decode()))


def samples(node: Node, name: str, label: str) -> dict[str, float]:
    return {s.labels[label]: s.value for family in families(node) for s in family.samples if s.name == name}


def sample_names(node: Node) -> set[str]:
    return {sample.name for family in families(node) for sample in family.samples}


def test_what_may_happen_is_there_from_the_start_as_zero(node: Node):
    """An increase from nothing to one is none for Prometheus."""
    assert samples(node, "signaling_errors_total", "code") == {code.value: 0 for code in ErrorCode}
    closes = [str(code.value) for code in CloseCode]
    assert samples(node, "signaling_closes_total", "code") == dict.fromkeys([*closes, "other"], 0)
    assert samples(node, "signaling_refusals_total", "reason") == dict.fromkeys(REASONS, 0)
    assert samples(node, "signaling_calls", "state") == {"waiting": 0, "negotiating": 0, "settled": 0}


def test_every_reason_of_a_refusal_is_known():
    assert set(re.findall(r'Rejection\("(\w+)"', inspect.getsource(gate))) == set(REASONS)


def test_a_client_cannot_make_labels(node: Node):
    node.stats.closes.update({1000: 2, 3000: 1, 4999: 1})
    closes = samples(node, "signaling_closes_total", "code")
    assert (closes["1000"], closes["other"]) == (2, 2)
    assert "4999" not in closes


def test_a_histogram_as_prometheus_has_it(node: Node):
    for seconds in (0.2, 0.4, 60.0):
        node.stats.answered.observe(seconds)
    buckets = samples(node, "signaling_call_answer_seconds_bucket", "le")
    assert (buckets["0.2"], buckets["0.5"], buckets["30.0"], buckets["+Inf"]) == (1, 2, 2, 3)
    assert {"signaling_call_answer_seconds_count", "signaling_call_answer_seconds_sum"} <= sample_names(node)


def test_without_tls_there_is_no_end_of_a_certificate(node: Node, monkeypatch: pytest.MonkeyPatch):
    name = "signaling_certificate_expiry_timestamp_seconds"
    assert name in sample_names(node)
    monkeypatch.setattr(tls, "status", lambda: tls.Status(None, refused=False))
    assert name not in sample_names(node)


def test_what_became_of_webhooks_is_counted_where_there_are_any(node: Node):
    node.context.webhook.dropped = 3
    assert samples(node, "signaling_webhooks_total", "result") == {"delivered": 0, "failed": 0, "dropped": 3}
    assert "signaling_webhooks_total" not in sample_names(Node(Settings(), MemoryRegistry()))


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", b"\n"),
        ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "application/openmetrics-text", b"# EOF\n"),
    ],
)
def test_who_accepts_openmetrics_gets_it(node: Node, accept: str, content_type: str, end: bytes):
    page, given = Metrics(node).page(accept)
    assert given.startswith(content_type)
    assert page.endswith(end)


@pytest.mark.parametrize("bind", ["127.0.0.1:9101", "127.1.2.3:0", "[::1]:65535"])
def test_metrics_are_served_on_loopback(bind: str):
    host, port = Settings.load({"SIGNALING_METRICS_BIND": bind}).metrics_address
    assert f"[{host}]:{port}" == bind or f"{host}:{port}" == bind


@pytest.mark.parametrize(
    "bind",
    ["0.0.0.0:9101", ":9101", "9101", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "[::]:9101"],
)
def test_metrics_without_a_token_are_served_nowhere_else(bind: str):
    with pytest.raises(SettingsError, match="write a loopback address and a port such as"):
        Settings.load({"SIGNALING_METRICS_BIND": bind})


def test_every_series_of_workers_that_share_the_rooms_says_whose_it_is(shared: Node):
    samples = [sample for family in families(shared) for sample in family.samples]
    assert {sample.labels["node"] for sample in samples} == {f"{socket.gethostname()}:{os.getpid()}"}


def test_a_worker_by_itself_has_no_such_label(node: Node):
    page, _ = Metrics(node).page("")
    assert b"node" not in page
    assert b"\nsignaling_connections 0.0\n" in page


def test_every_metric_has_its_row_and_no_other_has(shared: Node):
    known = {re.sub(r"_(bucket|count|sum)$", "", n) for n in sample_names(shared) if n.startswith("signaling_")}
    rows = re.findall(r"^\| `(signaling_\w+)(?:\{\w+\})?` \|", MONITORING.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(known)


def test_every_label_is_in_its_row(node: Node):
    text = MONITORING.read_text()
    for family in families(node):
        for sample in family.samples:
            if sample.name.startswith("signaling_") and sample.labels.keys() - {"le", "version", "python", "release"}:
                (label,) = sample.labels.keys() - {"le"} or {""}
                assert not label or f"| `{sample.name}{{{label}}}` |" in text


@pytest.mark.parametrize("document", [ALERTS, DASHBOARD, MONITORING], ids=lambda path: path.name)
def test_no_metric_is_named_that_is_none(shared: Node, document: Path):
    """Those of the client library are asked of a real process, so that they are known here by name."""
    text = document.read_text()
    if document == DASHBOARD:
        text = "\n".join(target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"])
    elif document == ALERTS:
        text = "\n".join(re.findall(r"expr: (.+)", text))
    named = {name for name in NAME.findall(text) if name not in {"python_gc_", "process_"}}
    assert named
    assert named - sample_names(shared) - {family.name for family in families(shared)} == set()


def test_the_dashboard_asks_one_datasource_that_can_be_chosen():
    dashboard = json.loads(DASHBOARD.read_text())
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource", "instance"]
    sources = {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert sources == {"${datasource}"}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=TIMEOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configurations_of_the_document(tmp_path: Path):
    configurations = re.findall(r"```yaml\n(.+?)```", MONITORING.read_text(), re.DOTALL)
    assert len(configurations) == 2
    for text in configurations:
        (tmp_path / "prometheus.yml").write_text(text)
        promtool("check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))


def test_prometheus_takes_the_alert_rules():
    rules = len(re.findall(r"- alert:", ALERTS.read_text()))
    assert f"SUCCESS: {rules} rules found" in promtool("check", "rules", str(ALERTS))


def test_each_alert_fires_when_it_should_and_not_before():
    names = set(re.findall(r"- alert: (\w+)", ALERTS.read_text()))
    tried = (ROOT / "tests/unit/alerts.yml").read_text()
    assert set(re.findall(r'alertname="(\w+)"', tried)) == names
    assert "SUCCESS" in promtool("test", "rules", "tests/unit/alerts.yml")
