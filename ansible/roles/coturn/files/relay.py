"""Asks TURN servers for a relay, sends a word each way through it, and prints how that went.

Standard input has ``urls``, ``username`` and ``credential`` as clients get them, the ``address`` to connect to in place
of the name, and the file ``ca`` of the certificates to trust; both may be empty.
"""

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
import socket
import ssl
import struct
import sys
import time

TIMEOUT = 10
RESEND = 0.5

COOKIE = 0x2112A442
ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION = 0x003, 0x004, 0x016, 0x017, 0x008
SUCCESS, ERROR = 0x100, 0x110
USERNAME, INTEGRITY, ERROR_CODE, LIFETIME, PEER, WORD, REALM, NONCE, RELAYED, TRANSPORT, MAPPED = (
    *(0x0006, 0x0008, 0x0009, 0x000D, 0x0012, 0x0013, 0x0014, 0x0015, 0x0016, 0x0019, 0x0020),
)
UDP = b"\x11\0\0\0"
UNAUTHORIZED, FORBIDDEN, STALE_NONCE = 401, 403, 438


class RelayError(Exception):
    """Why there is no relay."""


class Relay:
    """A connection to a TURN server (RFC 8656)."""

    def __init__(self, url, username, credential, address, ca):
        """Connect to a URL such as ``turns:turn.example.org:5349?transport=tcp``."""
        parts = re.match(r"(turns?):(\[[^]]*\]|[^:?]+)(?::(\d+))?(?:\?transport=(udp|tcp))?$", url)
        if not parts:
            raise RelayError("it is no URL of a TURN server")
        scheme, host, port, transport = parts.groups()
        host = host.strip("[]")
        self.is_stream = scheme == "turns" or transport == "tcp"
        kind = socket.SOCK_STREAM if self.is_stream else socket.SOCK_DGRAM
        default = 5349 if scheme == "turns" else 3478
        found = socket.getaddrinfo(address or host, int(port or default), type=kind)
        self.socket = _connect(found)
        if scheme == "turns":
            context = ssl.create_default_context(cafile=ca or None)
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self.username, self.credential = username, credential
        self.key = self.realm = self.nonce = b""

    def request(self, method, attributes):
        """Return the attributes of the answer."""
        for _ in range(3):
            kind, answer = self._ask(method, attributes)
            if kind == method | SUCCESS:
                return answer
            code = answer[ERROR_CODE][2] % 8 * 100 + answer[ERROR_CODE][3]
            if (code != UNAUTHORIZED or self.key) and code != STALE_NONCE:
                words = answer[ERROR_CODE][4:].decode(errors="replace")
                raise RelayError(f"it answers {code} {words}".strip(), code)
            self.realm, self.nonce = answer[REALM], answer[NONCE]
            text = b":".join((self.username.encode(), self.realm, self.credential.encode()))
            self.key = hashlib.md5(text).digest()  # noqa: S324 - as in RFC 8489, section 9.2.2
        raise RelayError("it takes no nonce of its own")

    def _ask(self, method, attributes):
        ident = secrets.token_bytes(12)
        fields = list(attributes.items())
        if self.key:
            fields += [(USERNAME, self.username.encode()), (REALM, self.realm), (NONCE, self.nonce)]
        message = _message(method, ident, fields, self.key)
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            self.send(message)
            # A stream loses nothing.
            received = self.receive(TIMEOUT if self.is_stream else RESEND, ident)
            if received:
                return received
        raise RelayError("it does not answer")

    def send(self, message):
        """Send a whole message."""
        self.socket.sendall(message)

    def receive(self, seconds, ident=None):
        """Return the type and the attributes of the next message, or of the answer to a request; None without one."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                message = self._read_stream() if self.is_stream else self.socket.recv(65536)
            except socket.timeout:  # noqa: UP041 - another error before Python 3.10
                return None
            if ident is None or message[8:20] == ident:
                return struct.unpack("!H", message[:2])[0], _attributes(message)
        return None

    def _read_stream(self):
        head = self._read(20)
        return head + self._read(struct.unpack("!H", head[2:4])[0])

    def _read(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise RelayError("it closed the connection")
            data += piece
        return data


def _connect(found):
    error = RelayError("it has no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(TIMEOUT)
        try:
            sock.connect(address)
        except OSError as failure:
            error = failure
            sock.close()
        else:
            return sock
    raise error


def _message(method, ident, fields, key=b""):
    body = b"".join(struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4) for kind, value in fields)
    if key:
        head = struct.pack("!HHI", method, len(body) + 24, COOKIE) + ident
        body += struct.pack("!HH", INTEGRITY, 20) + hmac.new(key, head + body, hashlib.sha1).digest()
    return struct.pack("!HHI", method, len(body), COOKIE) + ident + body


def _attributes(message):
    found, at = {}, 20
    while at + 4 <= len(message):
        kind, length = struct.unpack("!HH", message[at : at + 4])
        found.setdefault(kind, message[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return found


def _address(value):
    """Return the IP address and port in an IPv4 attribute; the relay of a browser is one too."""
    port, number = struct.unpack("!HI", value[2:8])
    return str(ipaddress.IPv4Address(number ^ COOKIE)), port ^ COOKIE >> 16


def _xor(value, port):
    return b"\0\1" + struct.pack("!HI", port ^ COOKIE >> 16, int(ipaddress.IPv4Address(value)) ^ COOKIE)


def relays(relay):
    """Send a word each way through a relay, and return how that is said."""
    answer = relay.request(ALLOCATE, {TRANSPORT: UDP})
    here = answer[MAPPED]
    if here[1] != 1:
        return "a relay"
    try:
        relay.request(CREATE_PERMISSION, {PEER: _xor(_address(here)[0], 0)})
    except RelayError as error:
        if error.args[1:] != (FORBIDDEN,):
            raise
        return "a relay, which does not serve the private address of Ansible's machine"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        host, port = _address(answer[RELAYED])
        word = secrets.token_hex(8).encode()
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            peer.sendto(word, (host, port))
            received = relay.receive(RESEND)
            if received and received[0] == DATA and received[1].get(WORD) == word:
                relay.send(_message(SEND, secrets.token_bytes(12), [(PEER, received[1][PEER]), (WORD, word)]))
                peer.settimeout(RESEND)
                try:
                    if peer.recv(100) == word:
                        return "a relay, both ways"
                except socket.timeout:  # noqa: UP041
                    continue
        raise RelayError(
            f"nothing comes through the relay at {host}:{port}; the UDP ports from coturn_min_port to coturn_max_port "
            "must be open, in the provider's firewall too"
        )


def main(urls, **options):
    """Print a line for all of them, or why one fails."""
    done = {}
    for url in urls:
        try:
            relay = Relay(url, **options)
            try:
                done[url] = relays(relay)
                relay.request(REFRESH, {LIFETIME: bytes(4)})
            finally:
                relay.socket.close()
        except (RelayError, OSError) as error:
            sys.exit(f"{url}: {error.args[0] if isinstance(error, RelayError) else error}")
    print("; ".join(f"{url}: {words}" for url, words in done.items()))


if __name__ == "__main__":
    main(**json.load(sys.stdin))
