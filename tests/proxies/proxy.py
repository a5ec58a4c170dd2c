"""nginx and HAProxy, as Debian has them, with the configurations of docs/proxies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from tests.address import Address
from tests.driver import ROOT
from tests.waiting import TIMEOUT, wait_until

Upstream = int | Path | Sequence[int]


class Proxy:
    """A proxy before `upstream`: a port, the path of a Unix socket, or the ports of several servers.

    Of the configuration only addresses and paths are other ones than the users', and what is in `changes`.
    """

    configuration: Path
    reload_signal: signal.Signals

    def __init__(self, folder: Path, certificate: Path, upstream: Upstream, changes: Mapping[str, str] | None = None):
        self.folder = folder
        self.certificate = certificate
        self.upstream = upstream
        self.http = Address(free_port())
        self.https = Address(free_port(), certificate)
        self.certbot = free_port()
        self.log = folder / "log"
        text = self.configuration.read_text()
        for old, new in {**self.surroundings(), **(changes or {})}.items():
            assert text.count(old) == 1, f"{old!r} is not there once"
            text = text.replace(old, new)
        (folder / self.configuration.name).write_text(text)

    def surroundings(self) -> dict[str, str]:
        """What is changed in the configuration so that it fits this machine and this test."""
        raise NotImplementedError

    def command(self) -> list[str | Path]:
        """Write what the proxy needs beside its configuration, and return how to start it."""
        raise NotImplementedError

    def place_certificate(self) -> None:
        """Put the certificate where the proxy takes it from."""

    def __enter__(self) -> Self:
        self.place_certificate()
        with self.log.open("w") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=subprocess.STDOUT)
        over = self.process.poll
        wait_until(lambda: accepts(self.https.port) or over() is not None, told=self.log.read_text)
        assert over() is None, self.log.read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(TIMEOUT)

    def reload(self) -> None:
        """Make the proxy read its configuration and its certificate again, as its service's `reload` does."""
        self.place_certificate()
        self.process.send_signal(self.reload_signal)


class Nginx(Proxy):
    """Our file for conf.d, in a main configuration that needs no folder of the system."""

    configuration = ROOT / "docs/proxies/nginx.conf"
    reload_signal = signal.SIGHUP

    MAIN = """
        daemon off;
        pid nginx.pid;
        error_log stderr;
        events {}
        http {
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            scgi_temp_path scgi;
            uwsgi_temp_path uwsgi;
            include INCLUDED;
        }
    """

    def surroundings(self) -> dict[str, str]:
        live = "/etc/letsencrypt/live/signaling.example.org"
        changes = {
            f"ssl_certificate {live}/fullchain.pem": f"ssl_certificate {self.certificate}",
            f"ssl_certificate_key {live}/privkey.pem": f"ssl_certificate_key {self.certificate.with_suffix('.key')}",
            "root /var/www/html": f"root {self.folder}",
            "listen 80;": f"listen {self.http.port};",
            "listen 443 ssl;": f"listen {self.https.port} ssl;",
            "listen [::]:80;": f"listen [::]:{self.http.port};" if has_ipv6() else "",
            "listen [::]:443 ssl;": f"listen [::]:{self.https.port} ssl;" if has_ipv6() else "",
        }
        return changes | self.upstreams()

    def upstreams(self) -> dict[str, str]:
        if isinstance(self.upstream, int):
            return {"server 127.0.0.1:8443;": f"server 127.0.0.1:{self.upstream};"}
        return {
            "server 127.0.0.1:8443;": "",
            "# server unix:/run/signaling/signaling.sock;": f"server unix:{self.upstream};",
        }

    def command(self) -> list[str | Path]:
        # Root's temporary folder is closed to everybody else.
        user = "user root;" if os.getuid() == 0 else ""
        (self.folder / "main.conf").write_text(user + self.MAIN.replace("INCLUDED", self.configuration.name))
        return ["/usr/sbin/nginx", "-e", "stderr", "-p", self.folder, "-c", "main.conf"]


class HAProxy(Proxy):
    """Our haproxy.cfg, under the master process that Debian's service has too."""

    configuration = ROOT / "docs/proxies/haproxy.cfg"
    reload_signal = signal.SIGUSR2
    maxconn = "maxconn 10500"

    def surroundings(self) -> dict[str, str]:
        changes = {
            "log /dev/log local0": "log stdout format raw local0",
            # Root's temporary folder is closed to everybody else.
            "    user haproxy\n    group haproxy\n": "",
            # A developer may open fewer files than a service.
            self.maxconn: "maxconn 100",
            "crt /etc/haproxy/signaling.pem": f"crt {self.folder}/signaling.pem",
            "server certbot 127.0.0.1:8888": f"server certbot 127.0.0.1:{self.certbot}",
        }
        for port, address in (80, self.http), (443, self.https):
            ipv6 = f",[::]:{address.port} v6only" if has_ipv6() else ""
            changes[f"*:{port},[::]:{port} v6only"] = f"*:{address.port}{ipv6}"
        return changes | self.upstreams()

    def upstreams(self) -> dict[str, str]:
        if isinstance(self.upstream, int):
            return {"server signaling 127.0.0.1:8443": f"server signaling 127.0.0.1:{self.upstream}"}
        return {
            "server signaling 127.0.0.1:8443": "",
            "# server signaling unix@/run/signaling/signaling.sock": f"server signaling unix@{self.upstream}",
        }

    def place_certificate(self) -> None:
        pair = self.certificate.read_bytes() + self.certificate.with_suffix(".key").read_bytes()
        (self.folder / "signaling.pem").write_bytes(pair)

    def command(self) -> list[str | Path]:
        return ["/usr/sbin/haproxy", "-W", "-db", "-f", self.folder / self.configuration.name]


class ManyBehindNginx(Nginx):
    """Our file for several hosts."""

    configuration = ROOT / "docs/proxies/nginx-many.conf"
    sharded: ClassVar = {"    least_conn;": "", "# hash $shard consistent;": "hash $shard consistent;"}

    def upstreams(self) -> dict[str, str]:
        return places(self.upstream)


class ManyBehindHAProxy(HAProxy):
    """Our haproxy-many.cfg."""

    configuration = ROOT / "docs/proxies/haproxy-many.cfg"
    maxconn = "maxconn 21000"
    sharded: ClassVar = {
        "balance leastconn": "",
        "# balance url_param pair": "balance url_param pair",
        "# hash-type consistent": "hash-type consistent",
    }

    def upstreams(self) -> dict[str, str]:
        return places(self.upstream)


def places(ports: Upstream) -> dict[str, str]:
    """The addresses of the servers in the configurations for several, and where they are in this test."""
    assert isinstance(ports, Sequence)
    return {f" 10.0.0.{number}:8443": f" 127.0.0.1:{port}" for number, port in zip((11, 12), ports, strict=True)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def has_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return True
    return False
