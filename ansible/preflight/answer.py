"""Answers on port 80 for a moment, where nothing else does: prints the process and the word that it answers with.

It ends when it is killed, and at the latest after the seconds of the argument.
"""

import json
import os
import secrets
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer


class Server(ThreadingHTTPServer):
    """It takes IPv4 and IPv6; a host without IPv6 has the other one."""

    address_family = socket.AF_INET6 if os.path.exists("/proc/net/if_inet6") else socket.AF_INET
    daemon_threads = True

    def server_bind(self):
        """Listen."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        # With SO_REUSEADDR: certbot binds the port soon after. Without a look into DNS, as HTTPServer has it.
        TCPServer.server_bind(self)


class Answer(BaseHTTPRequestHandler):
    """The same to everybody."""

    word = secrets.token_hex(16)
    timeout = 5

    def do_GET(self):
        """Answer with the word."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.word.encode())

    def log_message(self, *_):
        """Say nothing."""


def main(seconds):
    """Start it."""
    try:
        server = Server(("", 80), Answer)
    except OSError:
        print(json.dumps({"pid": 0, "word": ""}))
        return
    pid = os.fork()
    if pid:
        print(json.dumps({"pid": pid, "word": Answer.word}))
        return
    # Ansible waits for whoever has its output.
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    signal.alarm(seconds)
    server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
