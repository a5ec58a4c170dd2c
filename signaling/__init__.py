"""A WebRTC signaling server for Flask.

A forwarded message goes through one package after the other::

    bytes > transport/connection > protocol/messages > rooms/session > the peer's transport/connection > bytes
            one WebSocket on       text to types       who am I, who   frame it, send what fits,
            a gevent socket        (pure)              is my peer      keep the rest, bounded
                                                         | join, leave
                                                       rooms/registry: rooms/memory, rooms/redis/

This package has the public names: :class:`Signaling` (``extension.py``, the adapter to Flask), :func:`create_app`,
``hooks.py`` (for gunicorn), and the commands. Everything else is in its packages. A package imports only those below
it: ``docs/architecture.md`` has the table.
"""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from .extension import Signaling
    from .rooms.events import Call, Listing, Waiting
    from .rooms.registry import Unavailable
    from .web.app_methods import CallNotAllowedError
    from .web.blueprint import owns_request
    from .web.signals import call_ended, call_started, call_waiting, waiting_ended

log = logging.getLogger(__name__)

__all__ = [
    "Call",
    "CallNotAllowedError",
    "Listing",
    "Signaling",
    "Unavailable",
    "Waiting",
    "__version__",
    "call_ended",
    "call_started",
    "call_waiting",
    "create_app",
    "owns_request",
    "waiting_ended",
]

_MODULES = {
    "Signaling": "extension",
    "Call": "rooms.events",
    "CallNotAllowedError": "web.app_methods",
    "Listing": "rooms.events",
    "Waiting": "rooms.events",
    "Unavailable": "rooms.registry",
    "owns_request": "web.blueprint",
    "call_ended": "web.signals",
    "call_started": "web.signals",
    "call_waiting": "web.signals",
    "waiting_ended": "web.signals",
}
"""The modules of the public names."""


def create_app() -> Flask:
    """Return a Flask app with this service and nothing else.

    Raises:
        signaling.config.env.SettingsError: a ``SIGNALING_`` variable of the environment has a wrong value.
    """
    from flask import Flask

    from .extension import Signaling
    from .web.handshake_middleware import HandshakeMiddleware
    from .web.headers import add_headers

    # The blueprint has its own /static/.
    app = Flask(__name__, static_folder=None)
    # `//healthz` must not be the same as `/healthz`: a proxy's rules distinguish them too.
    app.url_map.merge_slashes = False
    # The service alone is open unless it has a key, or the environment says otherwise.
    if "SIGNALING_OPEN" not in os.environ:
        app.config["SIGNALING_OPEN"] = True
    # The app beside it may have the same environment. The service is never its own client.
    app.config["SIGNALING_SERVICE_URL"] = ""
    Signaling(app)
    node = app.extensions["signaling"]
    add_headers(app, node.settings)
    app.wsgi_app = HandshakeMiddleware(app, node)  # type: ignore[method-assign]
    if node.rules is True and not node.settings.jwt_key:
        log.info("Authentication is off: any client may join as any user")
    return app


if not TYPE_CHECKING:
    # A type checker would take any misspelled name for a public one.

    def __getattr__(name: str) -> Any:
        # gunicorn.conf.py imports this package in the master, before gevent has patched anything. Modules that make a
        # lock must not be imported until a worker needs them.
        if name in _MODULES:
            return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
