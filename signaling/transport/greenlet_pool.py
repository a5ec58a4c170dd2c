"""Greenlets that run one function after the other.

A new greenlet costs a tenth of a connect and join, since the system maps and unmaps its stack of Python frames. So a
few greenlets stay and wait for more.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import gevent
from greenlet import getcurrent, greenlet


class GreenletPool:
    """Runs functions in greenlets of the current hub. One that waits holds up no other.

    Attributes:
        idle: the greenlets that wait for the next function.
    """

    __slots__ = ("_busy", "_max_idle", "idle")

    def __init__(self, max_idle: int) -> None:
        """Let up to ``max_idle`` greenlets stay to run more. Others end with their function."""
        self._max_idle = max_idle
        self._busy: set[greenlet] = set()
        self.idle: list[greenlet] = []

    def __len__(self) -> int:
        """The number of greenlets that run a function."""
        return len(self._busy)

    def run(self, function: Callable[[], bool]) -> None:
        """Run ``function``, in the event loop. Returns when it ends or waits.

        It returns whether its greenlet may run others. After code of an app, which may leave a timeout behind, it may
        not.
        """
        worker = self.idle.pop() if self.idle else greenlet(self._serve, gevent.get_hub())
        worker.switch(function)

    def _serve(self, function: Callable[[], bool]) -> None:
        current = getcurrent()
        while True:
            self._busy.add(current)
            try:
                may_stay = function()
            except BaseException as error:
                # It is no affair of the greenlet that has switched to this one.
                may_stay = False
                gevent.get_hub().handle_error(function, type(error), error, error.__traceback__)
            finally:
                self._busy.discard(current)
            # The function keeps its connection alive.
            del function
            if not may_stay or len(self.idle) >= self._max_idle:
                return
            # Without its context variables.
            current.gr_context = None
            self.idle.append(current)
            try:
                function = gevent.get_hub().switch()
            except BaseException:
                with suppress(ValueError):
                    self.idle.remove(current)
                raise

    def kill(self) -> None:
        """End the greenlets that run a function, whatever they wait for. Does not wait."""
        for worker in self._busy:
            gevent.kill(worker)
