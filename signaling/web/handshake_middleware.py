"""WSGI middleware of the service alone, which answers an ordinary opening handshake without a request of Flask.

This is a fast path: Flask's contexts, dispatch and response cost more than all else that a handshake needs. The service
alone has no use for them. Flask answers every other request, and every request of an app that embeds the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING

from flask import Flask, signals
from werkzeug.sansio.utils import get_host

from ..node.gate import Handshake
from ..node.node import Node
from ..transport import handshake
from ..transport.route import SWITCHING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Flask refuses a host that is no domain name (RFC 1035, section 2.3.4).
_is_host = re.compile(r"(?:[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,9}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?").fullmatch

_SIGNALS = (
    signals.appcontext_pushed,
    signals.request_started,
    signals.request_finished,
    signals.request_tearing_down,
    signals.appcontext_tearing_down,
    signals.appcontext_popped,
)
_receivers = attrgetter("receivers")


class HandshakeMiddleware:
    """The WSGI middleware in front of Flask. Both give the same answer to each handshake."""

    def __init__(self, app: Flask, node: Node) -> None:
        """Wrap ``app``, which has the routes of ``node`` and nothing else."""
        self._app = app
        self._node = node
        self._flask: WSGIApplication = app.wsgi_app
        prefix = next(iter(app.blueprints.values())).url_prefix or ""
        self._paths = {f"{prefix}/", f"{prefix}/ws"}
        self._functions = self._count_functions()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        headers = self._accept(environ)
        if headers is None:
            return self._flask(environ, start_response)
        start_response(SWITCHING, [*headers.items()])
        return ()

    def _accept(self, environ: WSGIEnvironment) -> dict[str, str] | None:
        """Return the headers that accept a handshake, with its handler in place, or None if Flask must answer."""
        # Our worker calls the handler after the request. Other servers need a response that lasts.
        pending = getattr(environ.get("gunicorn.socket"), "bounds", None)
        path = environ["PATH_INFO"]
        host = environ.get("HTTP_HOST", "")
        if (
            pending is None
            or path not in self._paths
            or environ["SCRIPT_NAME"]
            or not _is_host(host)
            or environ["RAW_URI"].partition("?")[0] != path
            or (headers := handshake.accept_fast(environ)) is None
            or self._has_more_functions()
        ):
            return None
        pending.handler = self._node.admit_without_app(
            Handshake(
                environ["REMOTE_ADDR"],
                environ.get("HTTP_X_FORWARDED_FOR", ""),
                environ.get("HTTP_ORIGIN"),
                get_host(environ["wsgi.url_scheme"], host),
                environ["wsgi.multiprocess"],
            )
        )
        if pending.handler is None:
            return None
        # Flask may have answered earlier requests, and other middleware may be around this one.
        pending.without_app = pending.requests == 1 and self._app.wsgi_app is self
        return headers

    def _has_more_functions(self) -> bool:
        """Return whether somebody has added something to the app that must see each request."""
        return (
            self._count_functions() != self._functions
            or any(map(_receivers, _SIGNALS))
            or bool(self._app.config["TRUSTED_HOSTS"])
        )

    def _count_functions(self) -> int:
        app = self._app
        of_blueprints = (
            app.url_value_preprocessors,
            app.before_request_funcs,
            app.after_request_funcs,
            app.teardown_request_funcs,
        )
        # Without a loop in Python, since each handshake asks.
        lists = chain.from_iterable(map(methodcaller("values"), of_blueprints))
        return len(app.teardown_appcontext_funcs) + sum(map(len, lists))
