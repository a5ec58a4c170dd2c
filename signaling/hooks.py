"""gunicorn's hooks: the checks before the start, the watch over the certificate, and the drain at the end.

``gunicorn.conf.py`` names them, and so may the configuration of your own app. gunicorn's master imports this module
before gevent has patched anything, so nothing here that makes a lock is imported at the top.
"""

from __future__ import annotations

import gc
import logging
import math
import os
import resource
import socket
import ssl
import time
from functools import lru_cache, partial
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import gevent
from gevent.server import StreamServer
from gunicorn.workers.ggevent import GeventWorker

from .config import privacy
from .config.env import PREFIX, SettingsError, shown, web_concurrency
from .config.names import check_names, plain
from .config.settings import Settings
from .process import deferred_logger, output
from .process.supervisor import spawn_forever
from .security import start_secret  # noqa: F401 - the workers inherit it
from .server import bind_address, boot, preflight, state
from .transport import tls
from .transport.pending_connections import SPARE_PLACES

if TYPE_CHECKING:
    from types import TracebackType

    from gunicorn.arbiter import Arbiter
    from gunicorn.config import Config
    from gunicorn.workers.base import Worker

log = logging.getLogger(__name__)

FULL_COLLECTION_AFTER = 100
"""Passes of the garbage collector over younger objects after which it may look through all. Python's default is 10.

A pass over 10,000 connections stops a worker for some 150 ms. With the default, six such passes ran while they
came.
"""

_DRAIN_WATCH_SECONDS = 0.1

# Besides the drain: to notice the signal, for closing handshakes, and for HTTP requests in progress.
_GRACE_SECONDS = 5

# The master gives a worker two seconds for a quick end.
_EXIT_SECONDS = 1.5

# The time that the app has for the last events of calls, if the closing handshakes took long.
_LEAST_EXIT_SECONDS = 0.3

# After a drain, there is more time for these events.
_EVENTS_SECONDS = 3.0


def load_settings() -> Settings:
    """Return the settings of the environment. A wrong setting ends the process with one line and EX_CONFIG."""
    # gunicorn applies its raw_env after it has read its configuration, so the environment may still change.
    own = frozenset(item for item in os.environ.items() if item[0] == "PORT" or plain(item[0]).startswith(PREFIX))
    try:
        return _parse(own)
    except SettingsError as error:
        preflight.stop(str(error))


@lru_cache(maxsize=1)
def _parse(environ: frozenset[tuple[str, str]]) -> Settings:
    check_names(dict(environ))
    return Settings.load(dict(environ))


def address(settings: Settings) -> str:
    """Return the address that gunicorn binds: the setting, or every IPv4 and IPv6 address of the machine."""
    if settings.bind.startswith("unix:"):
        return settings.bind
    host = settings.bind or ("[::]" if _has_ipv6() else "0.0.0.0")  # noqa: S104 - the documented default
    if not bind_address.is_host(host):
        preflight.stop(
            f"SIGNALING_BIND={shown(settings.bind)} cannot be listened on: "
            "it must be an address or a name of this host, or unix: and a path"
        )
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{host}:{settings.port}"


def workers(settings: Settings) -> int:
    """Return the number of workers: ``WEB_CONCURRENCY``, or one per core if they share a Redis, or one.

    A ``WEB_CONCURRENCY`` that is no number of workers ends the process with one line and EX_CONFIG.
    """
    try:
        count = web_concurrency(os.environ)
    except SettingsError as error:
        preflight.stop(str(error))
    if count is not None:
        return count
    if not settings.redis_url:
        return 1
    return len(os.sched_getaffinity(0))


def graceful_timeout(settings: Settings) -> int:
    """Return the seconds that a worker may take to stop."""
    return math.ceil(settings.drain_seconds) + _GRACE_SECONDS


def on_starting(server: Arbiter) -> None:
    """Refuse to start with a wrong configuration, in one line, before anything listens; and write the state."""
    settings = load_settings()
    check_process(server)
    preflight.certificate(settings)
    bind_address.install()
    preflight.addresses(server, settings, address(settings))
    preflight.trusted_proxies(server, settings)
    state.write(settings, os.environ)


def on_starting_app(server: Arbiter) -> None:
    """Do the same in the configuration of your own app, which has the certificate and the address."""
    check_process(server)
    state.write(load_settings(), os.environ)


def check_process(server: Arbiter) -> None:
    """Refuse to start in a gunicorn that cannot hold the service, in one line; and raise the limit of open files."""
    settings = load_settings()
    preflight.workers(server, settings)
    if not issubclass(server.cfg.worker_class, GeventWorker):
        preflight.stop(f"the worker class must be signaling.worker.Worker or gevent, not {server.cfg.worker_class_str}")
    if server.cfg.preload_app:
        preflight.stop("preload_app is not possible: the app must be loaded after gevent has patched the worker")
    if server.cfg.max_requests:
        preflight.stop(f"max_requests={server.cfg.max_requests} would end every call of a worker: set it to 0")
    preflight.redis_ca(settings)
    preflight.fallbacks(settings)
    if settings.jwt_key:
        preflight.key(settings)
    _raise_file_limit(settings.max_connections + SPARE_PLACES)


def nworkers_changed(server: Arbiter, new: int, old: int | None) -> None:
    """Stay at one worker if a signal or a reload asks for more and there is no Redis."""
    if old is not None and new > 1 and not load_settings().redis_url:
        log.error("%d workers would each have rooms of their own: staying at one", new)
        server.num_workers = 1
        # gunicorn tells the app by this number whether there are other workers.
        server.cfg.set("workers", 1)


def post_fork(server: Arbiter, worker: Worker) -> None:
    """Save memory, make the loggers of connections, and guard the start."""
    # gevent would keep the place where each greenlet was spawned.
    gevent.config.track_greenlet_tree = False
    deferred_logger.install()
    guard_start(server, worker)


def guard_start(server: Arbiter, worker: Worker) -> None:
    """Stop gunicorn with one line and EX_CONFIG if the app of ``worker`` has a wrong setting."""
    boot.guard(worker)


def on_exit(server: Arbiter) -> None:
    """End with EX_CONFIG if the app has a wrong setting."""
    boot.end_master()


def ssl_context(config: Config, default_factory: Any) -> tls.ReloadingContext:
    """Return the certificate of the listening sockets, which can change while they listen."""
    settings = load_settings()
    return tls.use(settings.tls_cert, settings.tls_key, settings.handshake_timeout)


def post_worker_init(worker: Worker) -> None:
    """Prepare the worker: garbage collection, and the watches over its end and its certificate."""
    from .node import nodes, sole_worker

    _quiet_tls_handshakes(gevent.get_hub())
    if privacy.is_on():
        _keep_private(gevent.get_hub())
    # The master stays at one worker without a Redis. A reload has two for a moment.
    sole_worker.trust_hooks()
    # Everything loaded now stays, so garbage collection need not look at it again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], FULL_COLLECTION_AFTER)
    try:
        nodes.start_all()
    except SettingsError as error:
        boot.stop(error)
    gevent.spawn(_watch_end, worker)
    output.collect(gevent.get_hub().loop.run_callback)
    spawn_forever("the log", _drain_output)
    spawn_forever("the watch over the certificate", partial(_watch_certificate, load_settings().tls_reload_interval))


def _quiet_tls_handshakes(hub: Any) -> None:
    """Print no traceback for a TLS handshake that fails: a port scan would write one for each probe.

    Our own worker deals with these errors where they happen. gunicorn's gevent worker leaves them to gevent.
    """
    report = hub.handle_error
    handshake = StreamServer.wrap_socket_and_handle.__code__

    def handle_error(context: Any, kind: Any, error: Any, traceback: TracebackType | None) -> None:
        frames = (frame.f_code for frame, _ in walk_tb(traceback))
        if isinstance(error, ssl.SSLError | ConnectionError | TimeoutError) and handshake in frames:
            log.debug("A TLS handshake failed: %s", error)
        else:
            report(context, kind, error, traceback)

    hub.handle_error = handle_error


def _keep_private(hub: Any) -> None:
    """Let neither gunicorn's access log nor gevent's tracebacks say who a client is."""
    logging.getLogger("gunicorn.access").addFilter(privacy.AccessFilter())

    def print_exception(context: Any, kind: Any, error: Any, traceback: TracebackType | None) -> None:
        # gevent would print the arguments of the greenlet: a socket, and the address of its client.
        log.error("An error ended a greenlet", exc_info=(kind, error, traceback))

    hub.print_exception = print_exception


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """Close the connections that the drain did not reach, and wait briefly for their closing handshakes."""
    from .node import nodes

    nodes.close_all()
    limit = time.monotonic() + min(load_settings().close_timeout, _EXIT_SECONDS)
    while nodes.open_count() and time.monotonic() < limit:
        gevent.sleep(0.01)
    nodes.end_calls()
    nodes.deliver_events(max(_LEAST_EXIT_SECONDS, limit - time.monotonic()))
    nodes.leave_cluster()


def _watch_end(worker: Worker) -> None:
    from .node import nodes
    from .worker import Worker

    def close_idle() -> None:
        if isinstance(worker, Worker):
            worker.close_idle()

    # gunicorn calls no hook between the signal and its wait for requests to end.
    while worker.alive:
        gevent.sleep(_DRAIN_WATCH_SECONDS)
    # Idle connections close last: until then, a health check on an open connection can learn of the drain.
    deliver_events = partial(nodes.deliver_events, _EVENTS_SECONDS)
    for step in (nodes.stop_metrics, nodes.drain_all, nodes.end_calls, deliver_events, close_idle):
        try:
            step()
        except Exception:
            log.exception("An error while the worker stops, which goes on")


def _drain_output() -> None:
    gevent.sleep(output.FLUSH_SECONDS)
    output.drain()


def _watch_certificate(interval: float) -> None:
    gevent.sleep(interval)
    tls.reload_if_changed()


def _raise_file_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        log.warning(
            "Only %d open files are allowed, %d are needed for SIGNALING_MAX_CONNECTIONS: raise LimitNOFILE",
            hard,
            wanted,
        )
        wanted = hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        return False
    return True
