"""The server's configuration, and for each SIGUSR2 to a worker a dump of every greenlet's stack on standard error."""

import runpy
import signal

globals().update(runpy.run_path("gunicorn.conf.py"))
_post_worker_init = globals()["post_worker_init"]


def post_worker_init(worker):  # type: ignore[no-untyped-def] # noqa: D103
    # Imported in the worker: gevent has patched it by now, and never patches the master.
    import gevent
    from gevent.util import print_run_info

    _post_worker_init(worker)
    gevent.signal_handler(signal.SIGUSR2, print_run_info)
