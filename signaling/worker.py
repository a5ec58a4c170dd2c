"""gunicorn's gevent worker, with the request let go of before its conversation begins.

A WebSocket lives for hours. In the stock worker it would keep alive what the request needed for a moment: the parser,
the request, the response, and all the frames between them on a stack that gevent copies at each switch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import RawIOBase
from typing import Any, ClassVar

import gevent.socket
from gunicorn.systemd import sd_notify
from gunicorn.workers.ggevent import GeventWorker

Conversation = Callable[[gevent.socket.socket], None]


class Worker(GeventWorker):  # type: ignore[misc, unused-ignore]
    """The worker class of ``gunicorn.conf.py``."""

    _due: ClassVar[dict[gevent.socket.socket, tuple[RawIOBase, Conversation]] | None] = None

    def run(self) -> None:
        """Serve until the worker is told to stop."""
        Worker._due = {}
        super().run()

    def notify(self) -> None:
        """Tell the master once a second that the event loop turns, and systemd too where it has a watchdog on us."""
        super().notify()
        if "WATCHDOG_USEC" in os.environ:
            sd_notify("WATCHDOG=1", self.log)

    def handle(self, listener: Any, client: gevent.socket.socket, addr: Any) -> None:
        """Serve one TCP connection: its requests, and then the conversation that the last of them asked for."""
        super().handle(listener, client, addr)
        assert self._due is not None
        hold, conversation = self._due.pop(client, (None, None))
        if hold is not None and conversation is not None:
            try:
                conversation(client)
            finally:
                hold.close()

    @classmethod
    def converse(cls, client: gevent.socket.socket, conversation: Conversation) -> None:
        """Hold ``conversation`` over ``client`` when its request is let go of; at once under any other worker."""
        if cls._due is None:
            conversation(client)
        else:
            # gunicorn closes the socket at the end of a request; a file of it keeps it open until that is closed too.
            cls._due[client] = client.makefile("rb", 0), conversation
