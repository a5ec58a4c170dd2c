"""How the process runs: ``gunicorn -c gunicorn.conf.py wsgi:app``. What there is to set is in the environment."""

# The names are gunicorn's settings and hooks. They are in the package, since an installed one has no such file.
from signaling.gunicorn_conf import *  # noqa: F403
