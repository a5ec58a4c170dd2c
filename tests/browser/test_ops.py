"""The operator's page in a browser, while people call."""

import pytest
from playwright.sync_api import expect

from tests.driver import Client, Server, meet
from tests.long import rest_long

TOKEN = "operator"
SIGNED_IN = {"http_credentials": {"username": "ops", "password": TOKEN}}
PHONE = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def server(certificate):
    with Server(certificate, SIGNALING_OPS_TOKEN=TOKEN, SIGNALING_ALLOWED_ORIGINS="https://app.example.org") as running:
        yield running


@pytest.fixture
def operator(new_caller):
    """Open the page for an operator whose browser is as `profile` says."""

    def open_page(query="", **profile):
        caller = new_caller(**SIGNED_IN, **profile)
        caller.page.goto(f"{caller.url}/ops{query}")
        caller.reads("Live")
        return caller

    return open_page


@pytest.fixture
def people():
    """Who is connected; they leave at the end."""
    clients = []
    yield clients
    for client in clients:
        client.__exit__()


def negotiate(alice, bob):
    for one, other, kind in ((alice, bob, "offer"), (bob, alice, "answer")):
        one.send(type="message", data={"type": kind, "sdp": "v=0"})
        other.receive()
        one.send(type="candidate", candidate={"candidate": "candidate:1 1 udp 1 192.0.2.1 5 typ relay"})
        other.receive()


def listed(caller, name, kind):
    return caller.page.get_by_role("list", name=kind).get_by_role("listitem").filter(has_text=name)


def rows(call):
    """The timeline, a row after the other: who does what."""
    return [
        " | ".join(cell.inner_text() for cell in row.get_by_role("cell").all()[1:])
        for row in call.get_by_role("row").all()[1:]
    ]


def test_a_call_is_seen_as_it_goes_and_its_timeline_stays_open(server, operator, people):
    page = operator()
    alice, bob = meet(server)
    people += [alice, bob]
    call = listed(page, "alice", "Now")
    expect(call).to_contain_text("Negotiating")
    expect(call).to_contain_text("Waits for the offer of alice.")
    expect(page.page.get_by_role("listitem").filter(has_text="Connections").first).to_contain_text("2of 10,000")

    call.locator("summary").focus()
    page.page.keyboard.press("Enter")
    expect(call.get_by_role("table")).to_be_visible()
    negotiate(alice, bob)
    expect(call).to_contain_text("Settled")
    # One for the heads. What is seen may be of the moment between the answer and the last candidate.
    expect(call.get_by_role("row")).to_have_count(8)
    assert rows(call) == [
        "joined, is the first | ",
        " | joined",
        "told to begin (ready) | ",
        "offer | ",
        "1 candidate: 1 relay | ",
        " | answer",
        " | 1 candidate: 1 relay",
    ]

    bob.vanish()
    while alice.receive()["type"] != "bye":
        pass
    alice.close(1000)
    over = listed(page, "alice", "Over")
    expect(over).to_contain_text("Answered")
    expect(over.get_by_role("table")).to_be_visible()
    assert rows(over)[-2:] == [" | lost, close code 1006", "left, close code 1000 | "]
    expect(over.locator("summary")).to_be_focused()


def test_the_calls_of_one_user_are_found(server, operator, people):
    people += [*meet(server, "carol", "dave"), *meet(server, "erin", "frank")]
    page = operator()
    expect(listed(page, "erin", "Now")).to_be_visible()
    page.page.get_by_role("searchbox", name="Find the calls of a user").fill("DAVE")
    expect(listed(page, "erin", "Now")).to_have_count(0)
    expect(listed(page, "carol", "Now")).to_be_visible()

    again = operator(page.page.url.removeprefix(f"{page.url}/ops"))
    expect(listed(again, "carol", "Now")).to_be_visible()
    expect(listed(again, "erin", "Now")).to_have_count(0)


def test_a_user_id_is_never_markup(server, operator, people):
    name = "<img src=x onerror=alert(1)>"
    people.append(Client(server))
    people[0].join(name, "</summary><script>alert(1)</script>")
    call = listed(operator(), name, "Now")
    expect(call).to_be_visible()
    assert call.locator("img, script").count() == 0


def test_who_was_refused_is_said(server, operator):
    with pytest.raises(Exception, match="403"):
        Client(server, headers={"Origin": "https://elsewhere.example"})
    page = operator()
    refusals = page.page.get_by_role("region", name="Refusals")
    expect(refusals).to_contain_text("This origin is not allowed.")
    expect(page.page.get_by_role("row", name="Refused: origin 1")).to_be_visible()


@pytest.mark.parametrize("theme", rest_long(["light", "dark"]))
def test_axe_finds_nothing(server, operator, people, faultless, theme):
    people += [*meet(server, "gina", "hugo"), *meet(server, "ida", "jan"), Client(server)]
    negotiate(*people[:2])
    people[4].join("kim", "leo")
    with Client(server) as gone:
        gone.join("mia", "nils")
    page = operator(color_scheme=theme)
    for name, kind in (("gina", "Now"), ("ida", "Now"), ("kim", "Now"), ("mia", "Over")):
        listed(page, name, kind).first.locator("summary").click()
    faultless(page)


def test_nothing_sticks_out_on_a_phone(server, operator, people):
    people += meet(server, "a-user-with-quite-a-long-name@department.example.org", "b" * 128)
    negotiate(*people)
    page = operator(**PHONE)
    listed(page, "a-user", "Now").locator("summary").click()
    expect(page.page.get_by_role("table").first).to_be_visible()
    width = page.page.evaluate("() => [document.documentElement.scrollWidth, innerWidth]")
    assert width == [320, 320]


def test_a_server_that_is_gone_is_said(operator):
    page = operator()
    page.forgive("ERR_FAILED")
    page.page.route("**/*.json*", lambda route: route.abort())
    page.reads("No answer, last one at")
    page.page.unroute("**/*.json*")
    page.reads("Live")
