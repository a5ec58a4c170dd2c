"""The format of log lines, for copies of ``gunicorn.conf.py``."""

from .config.logging import ACCESS_FORMAT, dict_config, lost_lines

__all__ = ["ACCESS_FORMAT", "dict_config", "lost_lines"]
