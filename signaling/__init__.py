"""A WebRTC signaling server for Flask.

The way of a relayed message, one room after the other::

    bytes > connection.py > protocol.py > session.py > the peer's connection.py > bytes
            one WebSocket   text to types  who am I,    frame it, send what fits,
            on a gevent     (pure)         who is my    keep the rest, bounded
            socket                         peer (pure)
                                             | join, leave
                                           registry.py   the lock-protected pairs of members; redis_registry.py,
                                                         those that several workers share

Around it: ``extension.py`` (:class:`Signaling`, the adapter to Flask), ``node.py`` (one worker's runtime of one app),
``endpoint.py`` (the flask-sock route and the handshake), ``service.py`` (what all sessions of a node share),
``connections.py`` (all WebSockets of a node: counted, pinged, drained), ``pages.py`` (HTTP), ``ice.py`` (STUN and TURN
servers), ``hooks.py`` (what ``gunicorn.conf.py`` calls).

Locks: ``tokens.py`` (who may join), ``origins.py``, ``addresses.py``, ``limits.py``. Gauges: ``observer.py`` (what is
counted), ``calls.py`` (what happened in each call), ``metrics.py``, ``ops.py``. ``docs/architecture.md`` has the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from flask import Flask

    from .extension import Signaling

__all__ = ["Signaling", "__version__", "create_app"]


def create_app() -> Flask:
    """Return a Flask app that is this service and nothing else.

    Raises:
        signaling.config.settings.SettingsError: a ``SIGNALING_`` variable of the environment has a wrong value.
    """
    from flask import Flask

    from .extension import Signaling
    from .web.headers import add_headers

    # The blueprint brings its own /static/.
    app = Flask(__name__, static_folder=None)
    # `//healthz` is another path than `/healthz`, for the rules of a proxy as well.
    app.url_map.merge_slashes = False
    Signaling(app)
    add_headers(app, app.extensions["signaling"].settings)
    return app


def __getattr__(name: str) -> Any:
    # gunicorn.conf.py imports this package in the master, before gevent has patched anything: whatever makes a
    # lock must not be imported until a worker asks for it.
    if name == "Signaling":
        from .extension import Signaling

        return Signaling
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
