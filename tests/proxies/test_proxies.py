"""Our server behind nginx and HAProxy, with the configurations that docs/proxies gives to users."""

from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import socket
import threading
import urllib.error
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.address import Address
from tests.certificates import make_certificate
from tests.driver import ROOT, Client, Server, meet
from tests.proxies.conftest import StartProxy
from tests.proxies.proxy import HAProxy, Nginx, Proxy
from tests.waiting import TIMEOUT, wait_until

# An app of somebody else's, which shows what it is told of a request.
APP = """
from flask import Flask, request
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True
Signaling(app, url_prefix="/call")

@app.get("/headers")
def headers():
    return dict(request.headers)
"""


def call(address: Address, path: str = "/") -> None:
    """Two users meet, and an offer of some size goes from one to the other."""
    with Client(address, path) as alice, Client(address, path) as bob:
        alice.join("alice", "bob")
        bob.join("bob", "alice")
        assert [alice.receive()["type"], alice.receive()["type"]] == ["ready", "roomInfo"]
        offer = {"type": "offer", "sdp": "v=0" * 5_000}
        alice.send(type="message", data=offer)
        assert bob.receive() == {"type": "message", "data": offer, "from": "alice"}


def test_two_users_call_through_it(proxy: Proxy):
    call(proxy.https)


def test_the_service_can_be_on_a_unix_socket(kind: type[Proxy], start_proxy: StartProxy, tmp_path: Path):
    path = tmp_path / "signaling.sock"
    server = Server(SIGNALING_BIND=f"unix:{path}")
    try:
        server.wait_for_log("Booting worker")
        # It answers as soon as the worker serves; HAProxy would take it for dead before.
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        proxy = start_proxy(kind, path)
        call(proxy.https)
        assert proxy.https.health()["status"] == "ok"
    finally:
        server.stop()


def test_the_service_can_keep_a_certificate_of_its_own_behind_nginx(certificate: Path, start_proxy: StartProxy):
    with Server(certificate, SIGNALING_BIND="127.0.0.1") as server:
        secure = {
            "proxy_pass http://signaling;": "",
            "# proxy_pass https://signaling;": "proxy_pass https://signaling;",
        }
        call(start_proxy(Nginx, server.port, secure).https)


@pytest.fixture
def choosy() -> Iterator[Server]:
    """Our server where pages of other origins may not connect, but for one."""
    with Server(SIGNALING_BIND="127.0.0.1", SIGNALING_ALLOWED_ORIGINS="https://app.example.org") as running:
        yield running


def test_a_page_of_the_proxys_own_origin_may_connect_at_any_port(
    kind: type[Proxy], choosy: Server, start_proxy: StartProxy
):
    proxy = start_proxy(kind, choosy.port)
    assert proxy.https.port != 443
    assert_only_the_own_origin(proxy.https)


def assert_only_the_own_origin(address: Address, path: str = "/", source: str | None = None) -> None:
    """A page that the proxy serves may connect, and one at another port, or at none, may not."""
    with Client(address, path, {"Origin": address.url}, source) as client:
        assert client.join("alice", "bob")[0]["type"] == "created"
    host, port = "https://localhost", address.port
    for origin in host, f"{host}:{port - 1}", f"{host}.evil.example:{port}", "null":
        with pytest.raises(InvalidStatus, match="403"):
            Client(address, path, {"Origin": origin}, source)


# Ways to a path that the proxy has a rule for, and headers with it.
AROUND: list[tuple[str, dict[str, str]]] = [
    ("/healthz", {}),
    ("//healthz", {}),
    ("///healthz", {}),
    ("/%68ealthz", {}),
    ("/%2Fhealthz", {}),
    ("/./healthz", {}),
    ("/x/../healthz", {}),
    ("/healthz/", {}),
    ("/healthz?x", {}),
    ("https://localhost/healthz", {}),
    ("/x/healthz", {"SCRIPT_NAME": "/x"}),
    ("/x/healthz", {"Script_Name": "/x"}),
    ("/", {"PATH_INFO": "/healthz"}),
    ("/", {"path_info": "/healthz"}),
]


# Where the rules of the README go: before this.
RULES = {Nginx: ("    ssl_prefer_server_ciphers off;\n", "nginx"), HAProxy: ("    acl renewal path_beg", "haproxy")}


def test_a_path_that_is_not_for_everybody_is_reached_by_nobody_else(
    kind: type[Proxy], service: Server, start_proxy: StartProxy
):
    place, language = RULES[kind]
    [rules] = re.findall(rf"```{language}\n(.+?)```", (ROOT / "docs/proxies/README.md").read_text(), re.DOTALL)
    proxy = start_proxy(kind, service.port, {place: rules + place})
    call(proxy.https)
    for path, headers in AROUND:
        answer = ask(proxy.https, path, headers)
        assert b'"status"' not in answer, (path, headers)
        assert b" 200 " not in answer[:16] or path == "/", (path, headers)


class Echo(BaseHTTPRequestHandler):
    """A server that says what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps([self.path, self.headers.items()]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "Remote_Addr", "X_Forwarded_For", "X.Forwarded.For"])
def test_no_header_comes_through_whose_name_may_be_taken_for_another(
    kind: type[Proxy], echo: int, start_proxy: StartProxy, name: str
):
    """In WSGI and CGI an underscore and a hyphen are one."""
    proxy = start_proxy(kind, echo)
    wait_until(lambda: ask(proxy.https, "/", {}).startswith(b"HTTP/1.1 200"))
    answer = ask(proxy.https, "/shop", {name: "/evil", "X-Kept": "yes"})
    path, headers = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert path == "/shop"
    assert ("x-kept", "yes") in {(key.lower(), value) for key, value in headers}
    assert "/evil" not in {value for _, value in headers}


def ask(address: Address, path: str, headers: Mapping[str, str]) -> bytes:
    """Send a request as it is, and return the answer."""
    given = {"Host": f"localhost:{address.port}", "Connection": "close"} | dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    assert address.tls
    with (
        socket.create_connection(("localhost", address.port), TIMEOUT) as tcp,
        address.tls.wrap_socket(tcp, server_hostname="localhost") as connection,
    ):
        connection.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_the_page_is_there(proxy: Proxy):
    with proxy.https.open("/", Accept="text/html") as page:
        assert 'src="static/page/call-page.js"' in page.read().decode()
    with proxy.https.open("/static/page/call-page.js") as script:
        assert script.headers["Content-Type"].startswith("text/javascript")


def test_plain_http_is_sent_on_to_https(proxy: Proxy):
    assert sent_on(proxy) == "https://signaling.example.org/?me=alice&peer=bob"


REDIRECTS = {
    Nginx: ("return 301 https://$host$request_uri;", r"return 301 .+?;"),
    HAProxy: (
        "http-request redirect scheme https code 301 unless { ssl_fc } or renewal",
        r"http-request redirect .+?renewal",
    ),
}


def test_plain_http_is_sent_on_to_another_port_as_the_readme_says(
    kind: type[Proxy], service: Server, start_proxy: StartProxy
):
    readme = (ROOT / "docs/proxies/README.md").read_text()
    line, pattern = REDIRECTS[kind]
    [other] = re.findall(f"`({pattern})`", readme)
    proxy = start_proxy(kind, service.port, {line: other})
    assert sent_on(proxy) == "https://signaling.example.org:8443/?me=alice&peer=bob"


def sent_on(proxy: Proxy) -> str | None:
    """Where a request without TLS is told to go."""
    connection = http.client.HTTPConnection("localhost", proxy.http.port, timeout=TIMEOUT)
    connection.request("GET", "/?me=alice&peer=bob", headers={"Host": "signaling.example.org"})
    answer = connection.getresponse()
    connection.close()
    assert answer.status == 301
    return answer.headers["Location"]


def test_the_service_is_told_who_asks_and_how_and_nothing_that_the_client_made_up(
    kind: type[Proxy], start_proxy: StartProxy, tmp_path: Path
):
    (tmp_path / "shop.py").write_text(APP)
    where = {"app": "shop:app", "health": "/call/healthz", "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    with Server(SIGNALING_BIND="127.0.0.1", **where) as server:
        proxy = start_proxy(kind, server.port, {"uri /healthz": "uri /call/healthz"} if kind is HAProxy else {})
        invented = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "http", "Host": "signaling.example.org"}
        with proxy.https.open("/headers", **invented) as answer:
            headers = json.load(answer)
        assert headers["X-Forwarded-For"] in {"127.0.0.1", "::1"}
        assert headers["X-Forwarded-Proto"] == "https"
        assert headers["Host"] == "signaling.example.org"
        call(proxy.https, "/call/")
        with proxy.https.open("/call", Accept="text/html") as page:
            assert page.url == f"{proxy.https.url}/call/", "the server's own redirect has the port"


def test_ten_wrong_passwords_lock_nobody_else_out(start_proxy: StartProxy):
    """The server believes nginx who it is that guesses."""

    def guess(source: str, word: str) -> int:
        host, port = "localhost", proxy.https.port
        connection = http.client.HTTPSConnection(
            host, port, timeout=TIMEOUT, context=proxy.https.tls, source_address=(source, 0)
        )
        password = base64.b64encode(f"operator:{word}".encode()).decode()
        connection.request("GET", "/ops/state.json", headers={"Authorization": f"Basic {password}"})
        status = connection.getresponse().status
        connection.close()
        return status

    operated = {"SIGNALING_OPS_TOKEN": "x" * 32, "SIGNALING_TRUSTED_PROXIES": "127.0.0.1"}
    with Server(SIGNALING_BIND="127.0.0.1", **operated) as server:
        proxy = start_proxy(Nginx, server.port)
        assert [guess("127.0.0.2", f"guess {number}") for number in range(11)] == [401] * 10 + [429]
        assert [guess("127.0.0.3", word) for word in ("a slip", "x" * 32)] == [401, 200]


def test_the_service_can_be_under_a_path_beside_a_site(service: Server, start_proxy: StartProxy):
    location = "location / {\n        proxy_pass http://signaling;\n"
    example = "    # location /call/ {\n    #     proxy_pass http://signaling/;\n    # }\n"
    site = {location: 'location / {\n return 200 "my own page";\n', example: example.replace("# ", "")}
    proxy = start_proxy(Nginx, service.port, site)
    call(proxy.https, "/call/")
    with proxy.https.open("/call", Accept="text/html") as page:
        assert page.url == f"{proxy.https.url}/call/"
        assert 'src="static/page/call-page.js"' in page.read().decode()
    with proxy.https.open("/") as home:
        assert home.read() == b"my own page"


TIMEOUTS = {
    Nginx: {"proxy_read_timeout 120s;": "proxy_read_timeout 8s;"},
    HAProxy: {"timeout tunnel 120s": "timeout tunnel 8s"},
}


@pytest.mark.parametrize(("ping_interval", "lives"), [(1, True), (60, False)])
def test_pings_keep_a_silent_connection_alive(
    kind: type[Proxy], start_proxy: StartProxy, ping_interval: float, lives: bool
):
    """The proxy cuts what is silent for eight seconds: what is pinged outlives it, anything else does not."""
    with Server(SIGNALING_BIND="127.0.0.1", SIGNALING_PING_INTERVAL=ping_interval) as server:
        proxy = start_proxy(kind, server.port, TIMEOUTS[kind])
        if lives:
            with Client(proxy.https) as silent:
                # They come once a second.
                silent.answer_pings(10)
                assert silent.quiet()
        else:
            with Client(proxy.https) as silent:
                assert silent.closed() == (1006, "")


def test_a_restart_of_the_service(kind: type[Proxy], start_proxy: StartProxy, port: int):
    """The clients are told to come back, there is an error meanwhile, and then all is as before."""
    with Server(SIGNALING_BIND="127.0.0.1", PORT=port) as server:
        proxy = start_proxy(kind, port)
        clients = meet(proxy.https)
        server.signal(signal.SIGTERM)
        assert [client.closed()[0] for client in clients] == [1012, 1012]
        assert server.wait() == 0
    assert status(proxy.https) == {Nginx: 502, HAProxy: 503}[kind]
    with Server(SIGNALING_BIND="127.0.0.1", PORT=port):
        wait_until(lambda: status(proxy.https) == 200)
        call(proxy.https)


def test_haproxy_goes_by_the_health_of_the_service(service: Server, start_proxy: StartProxy):
    proxy = start_proxy(HAProxy, service.port, {"uri /healthz": "uri /none"})
    wait_until(lambda: status(proxy.https) == 503)


def test_a_new_certificate_of_the_proxy_cuts_no_call(proxy: Proxy, certificate: Path):
    alice, bob = meet(proxy.https)
    with alice, bob:
        make_certificate(certificate)
        proxy.reload()
        proxy.https.wait_until_trusted()
        bob.send(type="message", data="still here")
        assert alice.receive()["data"] == "still here"


def test_certbot_is_reached_over_plain_http(kind: type[Proxy], start_proxy: StartProxy, port: int, tmp_path: Path):
    """nginx has the folder that certbot writes its answer into; behind HAProxy certbot answers itself."""
    challenge = tmp_path / ".well-known/acme-challenge/token"
    challenge.parent.mkdir(parents=True)
    challenge.write_text("answer")
    proxy = start_proxy(kind, port)
    certbot = ThreadingHTTPServer(("127.0.0.1", proxy.certbot), partial(SimpleHTTPRequestHandler, directory=tmp_path))
    with certbot:
        threading.Thread(target=certbot.serve_forever).start()
        try:
            with proxy.http.open("/.well-known/acme-challenge/token") as answer:
                assert answer.read() == b"answer"
        finally:
            certbot.shutdown()


def status(address: Address) -> int:
    try:
        with address.open("/healthz") as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
