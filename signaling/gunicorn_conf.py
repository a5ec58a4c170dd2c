"""gunicorn's configuration of the service: ``gunicorn -c python:signaling.gunicorn_conf wsgi:app``.

The settings are in the environment. The names of this module are gunicorn's own. ``gunicorn.conf.py`` at the top of the
repository takes them all.
"""

# Nothing that makes a lock may be imported here: gevent patches the worker, and not the master.
from . import hooks
from .config import logging, priority
from .process import log_handler, output
from .transport.pending_connections import SPARE_PLACES

_settings = hooks.load_settings()
# Before gunicorn opens its log: a log that nobody reads must not stop the process.
output.install(logging.lost_lines(_settings), priority.marker(_settings))

bind = hooks.address(_settings)
worker_class = "signaling.worker.Worker"
workers = hooks.workers(_settings)
# A full pool answers nobody, so a WebSocket over the limit needs a place in which it is refused.
worker_connections = _settings.max_connections + SPARE_PLACES
# Reaching it would end every call of the worker.
max_requests = 0
# How long gunicorn's gevent worker waits for the head of a request.
keepalive = max(1, round(_settings.handshake_timeout))
graceful_timeout = hooks.graceful_timeout(_settings)
# By default gunicorn takes SCRIPT_NAME and PATH_INFO from any client on loopback: such a path passes a proxy's rules.
forwarder_headers = ""
# It is on by default, in the home folder of the user.
control_socket_disable = True

loglevel = _settings.log_level
logconfig_dict = logging.dict_config(_settings, log_handler.on_stderr)
# As gunicorn's own access log, but without the query and the referrer, which may hold a token.
access_log_format = logging.ACCESS_FORMAT

if _settings.tls_cert and _settings.tls_key:
    certfile = _settings.tls_cert
    keyfile = _settings.tls_key
    ssl_context = hooks.ssl_context

on_starting = hooks.on_starting
nworkers_changed = hooks.nworkers_changed
post_fork = hooks.post_fork
post_worker_init = hooks.post_worker_init
worker_exit = hooks.worker_exit
on_exit = hooks.on_exit
