"""The clinic's own configuration, which gunicorn reads by itself."""

from typing import Any

from signaling.gunicorn import install

bind = "127.0.0.1:8000"
accesslog = "-"
access_log_format = '%(t)s "%(m)s %(U)s" %(s)s'


def when_ready(server: Any) -> None:
    """Tell where the clinic is."""
    server.log.info("The clinic is open: http://localhost:8000/ (grace, ada or eve; password demo)")


install(globals())
