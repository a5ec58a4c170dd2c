"""gunicorn's gevent worker, with the request let go of before its conversation begins.

A WebSocket lives for hours. In the stock worker it would keep alive what the request needed for a moment: the parser,
the request, the response, and all the frames between them on a stack that gevent copies at each switch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import RawIOBase
from typing import Any, ClassVar, Literal

import gevent
import gevent.socket
from gevent.baseserver import BaseServer
from greenlet import getcurrent, greenlet
from gunicorn.systemd import sd_notify
from gunicorn.workers.ggevent import GeventWorker

Conversation = Callable[[gevent.socket.socket], None]


class Worker(GeventWorker):  # type: ignore[misc, unused-ignore]
    """The worker class of ``gunicorn.conf.py``."""

    _STOPPING_KEEPALIVE = 1.0
    """Seconds that are waited for the head of a request once the worker stops."""

    _due: ClassVar[dict[gevent.socket.socket, tuple[RawIOBase, Conversation]] | None] = None

    def init_process(self) -> None:
        """Begin, in the process of the worker."""
        # gunicorn asks for a setting 28 times a request, each time by a look-up that fails and two calls: 2 to 8 % of
        # a connect and join. In the worker none of them changes any more.
        vars(self.cfg).update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()

    def run(self) -> None:
        """Serve until the worker is told to stop."""
        Worker._due = {}
        if self.cfg.workers > 1:
            # Who takes a hundred at once, as gevent has it, leaves none for the others.
            BaseServer.max_accept = 1
        super().run()

    def notify(self) -> None:
        """Tell the master once a second that the event loop turns, and systemd too where it has a watchdog on us."""
        super().notify()
        if "WATCHDOG_USEC" in os.environ:
            sd_notify("WATCHDOG=1", self.log)

    def timeout_ctx(self) -> gevent.Timeout:  # type: ignore[override]
        """Return what bounds the wait for a request: an idle connection must not hold up the end of the worker."""
        return _Wait(self.cfg.keepalive if self.alive else self._STOPPING_KEEPALIVE, False)  # type: ignore[arg-type]

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


class _Wait(gevent.Timeout):
    """The wait for a request, which :func:`end_waits` can end before its time."""

    all: ClassVar[dict[_Wait, greenlet]] = {}

    def __enter__(self) -> _Wait:
        self.all[self] = getcurrent()
        super().__enter__()
        return self

    def __exit__(self, *raised: Any) -> Literal[True] | None:
        del self.all[self]
        return super().__exit__(*raised)


def end_waits() -> None:
    """Close the HTTP connections that are open and have no request under way. Does not wait."""
    for wait, waiting in list(_Wait.all.items()):
        gevent.kill(waiting, wait)
