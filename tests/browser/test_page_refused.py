"""A server that refuses a page, or is full, is no network that is down: the page says which, and acts by it."""

import pytest
from playwright.sync_api import expect

from tests.driver import Server
from tests.long import rest_long
from tests.proxies.proxy import Nginx

OF_THE_BROWSER = ("WebSocket connection to", "Failed to load resource")


@pytest.fixture
def alice(new_caller):
    """Chromium itself complains of each WebSocket that is refused, and of each answer that is no 200."""
    alice = new_caller(own=True)
    alice.sockets = []
    alice.page.on("websocket", lambda socket: alice.sockets.append(socket))
    alice.forgive(*OF_THE_BROWSER)
    yield alice
    assert alice.complaints


class TestBehindAProxyThatDropsThePort:
    @pytest.fixture(scope="class")
    @classmethod
    def server(cls, certificate, tmp_path_factory):
        with (
            Server(
                SIGNALING_ALLOWED_ORIGINS="https://app.example.org", SIGNALING_TRUSTED_PROXIES="127.0.0.1 ::1"
            ) as server,
            HostWithoutPort(tmp_path_factory.mktemp("proxy"), certificate, server.port) as proxy,
        ):
            yield proxy.https

    def test_a_refused_origin_is_final_and_names_the_setting(self, alice, names):
        alice.open(*names).reads("The server refuses this page.")
        alice.reads("SIGNALING_ALLOWED_ORIGINS")
        alice.reads("a proxy must forward the Host header with its port")
        expect(alice.button("Join the call")).to_be_visible()
        assert len(alice.sockets) == 1

    def test_the_check_says_it_too(self, alice):
        alice.open().press("Check now")
        found = alice.page.get_by_role("listitem").filter(has_text="Server: problem")
        expect(found).to_contain_text("SIGNALING_ALLOWED_ORIGINS")


class HostWithoutPort(Nginx):
    def command(self):
        file = self.folder / self.configuration.name
        file.write_text(file.read_text().replace("Host $http_host", "Host $host"))
        return super().command()


@pytest.mark.parametrize(
    ("limit", "words"),
    rest_long(
        [
            ("SIGNALING_MAX_CONNECTIONS", "The server is full, trying again"),
            ("SIGNALING_CONNECTIONS_PER_IP", "Too many connections come from your network, trying again"),
        ]
    ),
    ids=["full", "address"],
)
class TestWhenThereIsNoPlace:
    @pytest.fixture
    def server(self, certificate, limit):
        with Server(certificate, **{limit: 1}) as server:
            yield server

    def test_the_page_says_so_and_joins_as_soon_as_there_is_one(self, alice, bob, names, words):
        """It asks again at a decent pace: not within seconds, and within twenty."""
        bob.open(*reversed(names)).reads(f"Waiting for {names[0]}")
        alice.page.clock.install()
        alice.open(*names).reads(words)
        alice.page.clock.fast_forward(5_000)
        alice.reads(words)
        assert len(alice.sockets) == 1
        bob.hang_up()
        bob.reads("You hung up")
        alice.page.clock.fast_forward(15_000)
        alice.reads(f"Waiting for {names[1]}")
