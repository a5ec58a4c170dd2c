"""The address to listen on: check it before the start, and take IPv4 on IPv6 sockets.

gunicorn's master imports this module, so it must not import anything that makes a lock.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from ipaddress import IPv6Address, ip_address
from typing import Any

from gunicorn import sock, util

BIND_ATTEMPTS = 5
"""Attempts to listen on an address that is in use, since the previous server may be about to end."""

RETRY_SECONDS = 1.0
"""Seconds between two attempts."""

_MAX_PATH_BYTES = 107
"""The limit for the path of a Unix socket (unix(7))."""


class AddressError(ValueError):
    """An address that the server cannot listen on; ``str()`` of it says why."""


class DualStackSocket(sock.TCP6Socket):  # type: ignore[misc, unused-ignore]
    """gunicorn's IPv6 socket, which also takes IPv4 if it listens on every address."""

    def bind(self, listener: socket.socket) -> None:
        """Bind the socket, independent of the kernel's ``net.ipv6.bindv6only``."""
        set_dual_stack(listener)
        super().bind(listener)

    def __str__(self) -> str:
        # gunicorn would say http:// with TLS too.
        host, port, *_ = self.sock.getsockname()
        return f"{'https' if self.conf.is_ssl else 'http'}://[{host}]:{port}"


def is_host(text: str) -> bool:
    """Return whether ``text`` has the form of an address or a name; an IPv6 address may be in brackets."""
    if ":" not in text:
        return text.isprintable() and not set(text) & set(" []/\\")
    try:
        IPv6Address(text[1:-1] if text.startswith("[") and text.endswith("]") else text)
    except ValueError:
        return False
    return True


def is_local(address: Any) -> bool:
    """Return whether only this host can connect to ``address``: a host and a port, or the path of a Unix socket."""
    if not isinstance(address, tuple):
        return isinstance(address, str)
    try:
        return address[0] == "localhost" or ip_address(address[0]).is_loopback
    except ValueError:
        return False


def install() -> None:
    """Replace gunicorn's IPv6 sockets by :class:`DualStackSocket`."""
    sock.TCP6Socket = DualStackSocket  # type: ignore[misc, unused-ignore]


def set_dual_stack(listener: socket.socket) -> None:
    """Let an IPv6 socket take IPv4 too."""
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)


def check(address: Any) -> None:
    """Check that the server can listen on ``address``: a host and a port, or the path of a Unix socket.

    Raises:
        AddressError: it cannot.
    """
    if isinstance(address, str):
        _check_path(address)
    elif isinstance(address, tuple):
        for attempts_left in reversed(range(BIND_ATTEMPTS)):
            try:
                _listen_once(*address)
            except (OSError, ValueError, TypeError, OverflowError) as error:
                if attempts_left and getattr(error, "errno", None) == errno.EADDRINUSE:
                    time.sleep(RETRY_SECONDS)
                    continue
                # An impossible name is a UnicodeError or a TypeError.
                reason = getattr(error, "strerror", None) or "it is neither an address nor a name of this host"
                raise AddressError(str(reason)) from None
            return


def _listen_once(host: str, port: int) -> None:
    family = socket.AF_INET6 if util.is_ipv6(host) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            set_dual_stack(probe)
        probe.bind((host, port))
        probe.listen(1)


def _check_path(path: str) -> None:
    folder = os.path.dirname(path) or "."
    if not path or "\0" in path:
        raise AddressError("there is no path after unix:")
    if len(os.fsencode(path)) > _MAX_PATH_BYTES:
        raise AddressError(f"the path is longer than {_MAX_PATH_BYTES} bytes")
    if not os.path.isdir(folder):
        raise AddressError("its folder does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise AddressError("its folder is not writable")
    try:
        status = os.stat(path)
    except OSError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise AddressError("the path exists and is not a socket")
