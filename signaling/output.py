"""Output that never makes the process wait, for ``gunicorn.conf.py``."""

from .process.output import install

__all__ = ["install"]
