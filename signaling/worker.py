"""gunicorn's worker class, by the name that ``gunicorn.conf.py`` has for it: ``signaling.worker.Worker``."""

from .server.worker import Worker

__all__ = ["Worker"]
