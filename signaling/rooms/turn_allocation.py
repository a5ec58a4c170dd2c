"""One allocation at a TURN server (RFC 8656), as a client makes it, to see that the server works."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import ssl
import struct
from typing import Any, NamedTuple

import gevent
import gevent.socket
import gevent.ssl

_MAGIC = 0x2112A442
_HEAD = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")

_ALLOCATE, _REFRESH = 0x0003, 0x0004
_SUCCESS, _ERROR = 0x0100, 0x0110
_USERNAME, _INTEGRITY, _ERROR_CODE, _LIFETIME, _REALM, _NONCE, _TRANSPORT = 6, 8, 9, 0xD, 0x14, 0x15, 0x19
_UDP = b"\x11\0\0\0"
_UNAUTHORIZED, _STALE_NONCE = 401, 438

_INTEGRITY_BYTES = 24
_MAX_BYTES = 2_048
_MAX_REJECTIONS = 3

_RESEND_SECONDS = 0.5
"""Seconds to the first repetition of a request over UDP. The interval doubles after each."""

_url = re.compile(r"(?P<scheme>turns?):(?P<host>\[[^]]+\]|[^:?]+)(:(?P<port>\d+))?(\?transport=(?P<transport>\w+))?")


class TurnError(Exception):
    """The TURN server gave no allocation; ``str()`` of it says why."""


class _Answer(NamedTuple):
    kind: int
    attributes: dict[int, bytes]

    @property
    def error(self) -> int:
        code = self.attributes.get(_ERROR_CODE, b"").ljust(4, b"\0")
        return code[2] * 100 + code[3] if self.kind & _ERROR == _ERROR else 0


def can_check(url: str) -> bool:
    """Return whether the transport of a TURN URL is one that :func:`allocate` speaks: not DTLS."""
    return not (url.startswith("turns:") and url.endswith("transport=udp"))


def allocate(url: str, username: str, credential: str, seconds: float) -> None:
    """Get an allocation from the TURN server of ``url``, and give it back. Waits for at most ``seconds``.

    Raises:
        TurnError: the server gave none.
    """
    try:
        with gevent.Timeout(seconds):
            _allocate(url, username, credential)
    except gevent.Timeout:
        raise TurnError(f"no answer within {seconds:g} seconds") from None
    # An impossible host name raises UnicodeError, which is a ValueError.
    except (OSError, ValueError, struct.error, KeyError) as error:
        raise TurnError(f"{type(error).__name__}: {error}") from None


def _allocate(url: str, username: str, credential: str) -> None:
    found = _url.fullmatch(url)
    assert found is not None, "the settings check URLs"
    host, is_tls = found["host"].strip("[]"), found["scheme"] == "turns"
    is_stream = is_tls or found["transport"] == "tcp"
    address = host, int(found["port"] or (5349 if is_tls else 3478))
    with _connect(address, is_stream=is_stream) as sock:
        used: Any = sock
        if is_tls:
            used = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            used.load_default_certs()
            used = used.wrap_socket(sock, server_hostname=host)
        _Client(used, username, credential, is_stream=is_stream).run()


def _connect(address: tuple[str, int], *, is_stream: bool) -> Any:
    if is_stream:
        return gevent.socket.create_connection(address)
    family, kind, protocol, _, found = gevent.socket.getaddrinfo(*address, type=gevent.socket.SOCK_DGRAM)[0]
    sock = gevent.socket.socket(family, kind, protocol)
    try:
        sock.connect(found)
    except BaseException:
        sock.close()
        raise
    return sock


class _Client:
    def __init__(self, sock: Any, username: str, credential: str, *, is_stream: bool) -> None:
        self._sock = sock
        self._username = username
        self._credential = credential
        self._is_stream = is_stream
        self._realm = self._nonce = b""

    def run(self) -> None:
        for _ in range(_MAX_REJECTIONS):
            answer = self._ask(_ALLOCATE, {_TRANSPORT: _UDP})
            if answer.kind == _ALLOCATE | _SUCCESS:
                # Without it, the server would keep the port for ten minutes.
                self._ask(_REFRESH, {_LIFETIME: bytes(4)})
                return
            if answer.error == _STALE_NONCE or (answer.error == _UNAUTHORIZED and not self._nonce):
                self._realm, self._nonce = answer.attributes.get(_REALM, self._realm), answer.attributes[_NONCE]
                continue
            break
        raise TurnError(f"it answered {answer.error or hex(answer.kind)}")

    def _ask(self, method: int, attributes: dict[int, bytes]) -> _Answer:
        transaction = secrets.token_bytes(12)
        request = self._request(method, transaction, attributes)
        wait = _RESEND_SECONDS
        while True:
            self._sock.sendall(request)
            answer = None
            with gevent.Timeout(None if self._is_stream else wait, False):  # type: ignore[arg-type]
                # An answer to an earlier request may come late.
                while (answer := self._receive(transaction)) is None:
                    # A read of bytes that are there does not wait: a flood would stop all else, and the time-out.
                    gevent.sleep(0)
            if answer is not None:
                return answer
            wait *= 2

    def _request(self, method: int, transaction: bytes, attributes: dict[int, bytes]) -> bytes:
        if self._nonce:
            attributes |= {_USERNAME: self._username.encode(), _REALM: self._realm, _NONCE: self._nonce}
        body = b"".join(
            _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4) for name, value in attributes.items()
        )
        if self._nonce:
            text = b":".join((self._username.encode(), self._realm, self._credential.encode()))
            # The key of long-term credentials (RFC 8489, section 9.2.2).
            key = hashlib.md5(text, usedforsecurity=False).digest()
            signed = _HEAD.pack(method, len(body) + _INTEGRITY_BYTES, _MAGIC, transaction) + body
            return signed + _ATTRIBUTE.pack(_INTEGRITY, 20) + hmac.digest(key, signed, "sha1")
        return _HEAD.pack(method, len(body), _MAGIC, transaction) + body

    def _receive(self, transaction: bytes) -> _Answer | None:
        """Return the next answer, or None if it is one to another request."""
        if self._is_stream:
            data = self._read(_HEAD.size)
            data += self._read(_HEAD.unpack(data)[1])
        else:
            data = self._sock.recv(_MAX_BYTES)
        kind, size, magic, given = _HEAD.unpack_from(data)
        if magic != _MAGIC or given != transaction:
            return None
        attributes: dict[int, bytes] = {}
        at, end = _HEAD.size, min(_HEAD.size + size, len(data))
        while at + _ATTRIBUTE.size <= end:
            name, length = _ATTRIBUTE.unpack_from(data, at)
            at += _ATTRIBUTE.size
            attributes.setdefault(name, data[at : at + length])
            at += length + -length % 4
        return _Answer(kind, attributes)

    def _read(self, size: int) -> bytes:
        data = b""
        if size > _MAX_BYTES:
            raise TurnError("its answer is too long")
        while len(data) < size:
            more = self._sock.recv(size - len(data))
            if not more:
                raise TurnError("it closed the connection")
            data += more
        return data
