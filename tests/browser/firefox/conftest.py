"""Real Firefox pages with a fake camera, each with one user in it; Chromium ones are to be had beside them."""

from urllib.parse import urlsplit

import pytest

from tests.browser.firefox.browser import Firefox
from tests.browser.firefox.caller import FirefoxCaller
from tests.browser.firefox.display import Display


@pytest.fixture(scope="package")
def firefox(tmp_path_factory):
    """One for all the stories here; each user is in a context of its own."""
    with Display() as display, Firefox(tmp_path_factory.mktemp("firefox"), display.name) as firefox:
        firefox.ask("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        yield firefox


@pytest.fixture
def new_firefox(server, firefox):
    """Make callers in Firefox; no page may complain, or ask a stranger for anything."""
    firefox.events.clear()
    callers = []

    def new(url=server.url, preload=""):
        callers.append(FirefoxCaller(firefox, url, preload))
        return callers[-1]

    yield new
    for caller in callers:
        firefox.ask("browser.removeUserContext", userContext=caller.page.user)
    errors = [entry["text"] for entry in happened(firefox, "log.entryAdded") if entry["level"] == "error"]
    assert [error for error in errors if not error.startswith(OF_A_SOCKET)] == []
    urls = [event["request"]["url"] for event in happened(firefox, "network.beforeRequestSent")]
    assert {urlsplit(url).hostname for url in urls} == {"localhost"}


# Firefox itself says this of each socket that is cut or refused; what the page makes of it is in the stories.
OF_A_SOCKET = ("Firefox can’t establish a connection to", "The connection to wss:")  # noqa: RUF001


def happened(firefox, method):
    return [event["params"] for event in firefox.events if event.get("method") == method]


@pytest.fixture
def alice(new_firefox):
    return new_firefox()


@pytest.fixture
def bob(new_firefox):
    return new_firefox()
