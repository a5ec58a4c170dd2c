"""The operator's page of two workers that share their rooms."""

import os
import signal
import socket
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect

from tests.browser.test_ops import PHONE, SIGNED_IN, TOKEN, listed, negotiate, rows
from tests.driver import Client, Server
from tests.long import rest_long
from tests.redis_server import redis_server


@pytest.fixture(scope="module")
def redis():
    with redis_server() as running:
        yield running


@pytest.fixture(scope="module")
def server(certificate, redis):
    with Server(certificate, SIGNALING_REDIS_URL=redis.url, WEB_CONCURRENCY=1, SIGNALING_OPS_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture(scope="module")
def other(certificate, redis):
    with Server(certificate, SIGNALING_REDIS_URL=redis.url, WEB_CONCURRENCY=1, SIGNALING_OPS_TOKEN=TOKEN) as running:
        yield running


@pytest.fixture
def operator(new_caller):
    def open_page(**profile):
        caller = new_caller(**SIGNED_IN, **profile)
        caller.page.goto(f"{caller.url}/ops")
        caller.reads("Live")
        return caller

    return open_page


@pytest.fixture
def people(server, other):
    """Alice and bob in one room, each at a worker of their own."""
    with Client(server) as alice, Client(other) as bob:
        alice.join("alice", "bob")
        bob.join("bob", "alice")
        assert [alice.receive()["type"], alice.receive()["type"]] == ["ready", "roomInfo"]
        yield alice, bob


def node(caller, server):
    return caller.page.get_by_role("row", name=f"{socket.gethostname()}:{server.worker}")


@contextmanager
def held(server):
    os.kill(server.worker, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.worker, signal.SIGCONT)


def test_each_node_has_a_row_and_the_figures_are_of_all(server, other, operator, people):
    page = operator()
    for one in (server, other):
        expect(node(page, one)).to_contain_text("Up")
        expect(node(page, one).get_by_role("cell").nth(0)).to_have_text("1")
    expect(node(page, server)).to_contain_text("answers this page")
    expect(page.page.get_by_role("listitem").filter(has_text="Connections").first).to_contain_text("2of 20,000")


def test_a_call_between_two_workers_has_both_columns(server, operator, people):
    negotiate(*people)
    page = operator()
    call = listed(page, "alice", "Now")
    expect(call).to_have_count(1)
    expect(call).to_contain_text("Settled")
    call.locator("summary").click()
    assert rows(call) == [
        "joined, is the first | ",
        " | joined",
        "told to begin (ready) | ",
        "offer | ",
        "1 candidate: 1 relay | ",
        " | answer",
        " | 1 candidate: 1 relay",
    ]


def test_a_node_that_does_not_answer_is_said(server, other, operator, people):
    page = operator()
    expect(node(page, other)).to_contain_text("Up")
    with held(other):
        page.reads("Live, without 1 of 2 nodes")
        expect(node(page, other)).to_contain_text("No answer")
    page.reads("Live")
    expect(node(page, other)).to_contain_text("Up")


@pytest.mark.parametrize("profile", rest_long([{"color_scheme": "light"}, {"color_scheme": "dark"}, PHONE]), ids=str)
def test_the_table_is_faultless_and_nothing_sticks_out(server, other, operator, people, faultless, profile):
    page = operator(**profile)
    expect(node(page, other)).to_contain_text("Up")
    faultless(page)
    assert page.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_without_redis_it_is_said_whose_figures_these_are(server, redis, operator, people):
    page = operator()
    redis.end()
    page.reads("Redis is down: these are the figures of one node")
    expect(page.page.get_by_role("region", name="Nodes").get_by_role("row")).to_have_count(2)
