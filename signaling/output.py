"""Output that never makes the process wait, for copies of ``gunicorn.conf.py``."""

from .process.output import install

__all__ = ["install"]
