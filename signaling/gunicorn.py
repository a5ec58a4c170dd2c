"""The service's hooks in your own ``gunicorn.conf.py``.

The last line of that file is ``install(globals())``. gunicorn's master imports this module before gevent has patched
anything, so nothing here that makes a lock is imported at the top.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pkgutil import resolve_name
from typing import Any

from . import hooks
from .transport.pending_connections import SPARE_PLACES

_AFTER_YOURS: dict[str, Callable[..., Any]] = {
    "on_starting": hooks.on_starting_app,
    "nworkers_changed": hooks.nworkers_changed,
    "post_fork": hooks.guard_start,
    "on_exit": hooks.on_exit,
    "post_worker_init": hooks.post_worker_init,
}


def install(config: dict[str, Any]) -> None:
    """Chain the service's hooks to the hooks of a gunicorn configuration.

    Your ``bind``, logging, TLS and timeouts stay as they are. Without a ``worker_class`` of yours, the class is
    ``signaling.worker.Worker``.

    A wrong configuration stops the start with one line and exit status 78. It is wrong if the worker class cannot hold
    WebSockets, several workers have no Redis, ``max_requests`` is over 0, or ``preload_app`` is on.
    A wrong setting of the app ends gunicorn in the same way.

    Args:
        config: the global names of ``gunicorn.conf.py``.
    """
    settings = hooks.load_settings()
    config.setdefault("worker_class", "signaling.worker.Worker")
    config.setdefault("worker_connections", settings.max_connections + SPARE_PLACES)
    config.setdefault("graceful_timeout", hooks.graceful_timeout(settings))
    for name, ours in _AFTER_YOURS.items():
        config[name] = _chain(config.get(name), ours)
    # Clients hear of the restart before your own cleanup.
    config["worker_exit"] = _chain(hooks.worker_exit, config.get("worker_exit"))


def _chain(first: Any, second: Any) -> Callable[..., Any]:
    # gunicorn takes the import path of a hook as well.
    first, second = (resolve_name(hook) if isinstance(hook, str) else hook for hook in (first, second))
    if first is None or second is None:
        only: Callable[..., Any] = first or second
        return only
    one, other = first, second

    # gunicorn counts the parameters of a hook, and ``wraps`` shows it the original ones.
    @wraps(other)
    def both(*arguments: Any) -> None:
        try:
            one(*arguments)
        finally:
            other(*arguments)

    return both
