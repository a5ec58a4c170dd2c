"""gunicorn reads this file by itself."""

from signaling.gunicorn import install

bind = "127.0.0.1:8000"

install(globals())
