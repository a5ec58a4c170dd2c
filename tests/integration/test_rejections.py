"""A browser sees no status of a refused WebSocket, so its page asks for the reason: a POST to the same address."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.driver import Client, Server
from tests.integration.test_http import ask
from tests.integration.test_limits import refused
from tests.long import rest_long

FULL = {"SIGNALING_MAX_CONNECTIONS": 1}
RATE = {"SIGNALING_CONNECTION_RATE": 0.001, "SIGNALING_CONNECTION_BURST": 1}
PER_ADDRESS = {"SIGNALING_CONNECTIONS_PER_IP": 1}
ORIGINS = {"SIGNALING_ALLOWED_ORIGINS": "https://app.example.org"}
ORIGIN = {"Origin": "https://app.example.org"}


def reason(server: Server, path: str = "/ws", headers: dict[str, str | None] | None = None):
    response, body = ask(server, path, headers or ORIGIN, method="POST")
    # The pages that are refused have to be able to read why.
    assert response.getheader("Access-Control-Allow-Origin") == "*"
    assert response.getheader("Cache-Control") == "no-store"
    return response, body


@pytest.fixture(scope="module")
def of_one_origin(certificate: Path) -> Iterator[Server]:
    with Server(certificate, SIGNALING_METRICS_TOKEN="m", **ORIGINS) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/ws"])
def test_who_would_be_let_in_is_told_nothing(server: Server, path: str):
    response, body = reason(server, path)
    assert (response.status, body) == (204, "")


@pytest.mark.parametrize("path", ["/", "/ws"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_page_of_another_origin_reads_that_it_is_refused(of_one_origin: Server, path: str, origin: str):
    response, body = reason(of_one_origin, path, {"Origin": origin})
    assert (response.status, body) == (403, '{"code":"origin-refused","message":"This origin is not allowed."}\n')


@pytest.mark.parametrize(
    ("settings", "status", "code"),
    rest_long([(FULL, 503, "server-full"), (PER_ADDRESS, 429, "address-limited"), (RATE, 429, "address-limited")]),
)
def test_the_reason_is_that_of_the_websocket(certificate, settings, status: int, code: str):
    """It is the same words with the same status, and to ask does not use up what the address may open."""
    with Server(certificate, **settings) as server:
        assert [reason(server)[0].status for _ in range(3)] == [204] * 3
        with Client(server):
            response, body = reason(server)
            assert response.status == status
            assert f'"code":"{code}"' in body
            assert response.getheader("Retry-After") == "10"
            refused_status, words = refused(server)
            assert refused_status == status
            assert words.strip() in body


def test_a_question_is_no_refusal_for_the_operator(of_one_origin: Server):
    since = len(of_one_origin.log)
    reason(of_one_origin, headers={"Origin": "https://evil.example"})
    assert not [line for line in of_one_origin.log[since:] if "Refused" in line]
