"""How log lines look, for ``gunicorn.conf.py``."""

from .config.logging import ACCESS_FORMAT, dict_config, lost_lines

__all__ = ["ACCESS_FORMAT", "dict_config", "lost_lines"]
