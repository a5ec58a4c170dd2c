"""The signals that an app receives about its calls."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Flask, got_request_exception

from ..rooms.events import Event, EventType
from .signals import call_ended, call_started, call_waiting, waiting_ended

log = logging.getLogger(__name__)

_SIGNALS = {
    EventType.WAITING: call_waiting,
    EventType.WAITING_ENDED: waiting_ended,
    EventType.CALL_STARTED: call_started,
    EventType.CALL_ENDED: call_ended,
}


class AppEvents:
    """The receivers of one app."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def is_wanted(self, event: Event) -> bool:
        """Return whether the signal of ``event`` has receivers, of any app. Does not wait."""
        return bool(_SIGNALS[event.type].receivers)

    def send(self, event: Event) -> None:
        """Send the signal of ``event`` to each receiver, as :func:`send_signal` does."""
        values: dict[str, Any] = {}
        if event.call is not None:
            values["call"] = event.call
        else:
            values |= {"user": event.user, "peer": event.peer}
            if event.outcome:
                values["outcome"] = event.outcome
        send_signal(self._app, event.type, values)


def send_signal(app: Flask, event: EventType, values: Mapping[str, Any]) -> bool:
    """Send the signal of an event to each receiver of ``app``, in an app context of its own. It may wait.

    An exception of one receiver is logged, and the others get the signal all the same. So they do if it raises what is
    no :class:`Exception`, such as ``SystemExit``; that is raised once all have got the signal.

    Returns:
        Whether no receiver failed.
    """
    signal = _SIGNALS[event]
    failed = False
    fatal: BaseException | None = None
    for receiver in list(signal.receivers_for(app)):
        try:
            # A context for each receiver, so that the session of a database ends after it. Functions for its teardown
            # learn of an exception, and may raise themselves.
            with app.app_context():
                app.ensure_sync(receiver)(app, **values)
        except Exception as error:
            failed = True
            log.exception("A receiver of %s failed: %r", signal.name, receiver)
            report_exception(app, error)
        except BaseException as error:
            fatal = fatal or error
    if fatal is not None:
        raise fatal
    return not failed


def report_exception(app: Flask, error: Exception) -> None:
    """Send Flask's signal as for a view that fails, so that Sentry and others hear of it. It does not raise."""
    try:
        with app.app_context():
            got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    except Exception:
        log.exception("A receiver of got_request_exception failed")
