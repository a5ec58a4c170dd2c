"""Prints for how many days the certificate that a server shows is valid: ``wss://example.org:8443/ [CA [ADDRESS]]``."""

import socket
import ssl
import sys
import time
from urllib.parse import urlsplit


def days_left(url: str, ca: str = "", address: str = "") -> int:
    """Return the whole days; a certificate that is not trusted is an :class:`ssl.SSLCertVerificationError`."""
    target = urlsplit(url)
    context = ssl.create_default_context(cafile=ca or None)
    with (
        socket.create_connection((address or target.hostname, target.port or 443), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname=target.hostname) as served,
    ):
        end = ssl.cert_time_to_seconds(served.getpeercert()["notAfter"])
    return int((end - time.time()) // 86_400)


if __name__ == "__main__":
    try:
        print(days_left(*sys.argv[1:]))
    except OSError as error:
        sys.exit(f"{sys.argv[1]}: {error}")
