"""The headers of every response, which restrict what a browser does with it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ..config.settings import Settings

if TYPE_CHECKING:
    from flask import Blueprint, Flask, Response

CONTENT_SECURITY_POLICY = "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"

# The call page needs the first group and has no use for the second. Browsers decide about all other features.
_ALLOWED = ("camera", "microphone", "display-capture", "fullscreen", "speaker-selection")
_DENIED = (
    *("accelerometer", "browsing-topics", "encrypted-media", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "local-fonts", "magnetometer", "midi", "payment", "publickey-credentials-get", "serial"),
    *("usb", "xr-spatial-tracking"),
)
PERMISSIONS_POLICY = ", ".join([*(f"{name}=(self)" for name in _ALLOWED), *(f"{name}=()" for name in _DENIED)])

_ALWAYS = {
    "Permissions-Policy": PERMISSIONS_POLICY,
    # The address of the call page contains the names of both users.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def standard_headers(settings: Settings, *, secure: bool) -> dict[str, str]:
    """Return the headers of every response. ``secure`` is whether it goes over TLS."""
    # Browsers ignore this header without TLS (RFC 6797, section 8.1).
    if secure and settings.hsts_max_age:
        return {**_ALWAYS, "Strict-Transport-Security": f"max-age={settings.hsts_max_age}"}
    return _ALWAYS


def add_headers(app: Flask | Blueprint, settings: Settings, *, under: str | None = None) -> None:
    """Add the headers to each response of ``app``. A header that a response has already stays.

    Args:
        app: the app or blueprint.
        settings: its settings.
        under: the path that a request must be under, or None for all requests.
    """

    # The import is here since gunicorn's master imports the worker class, and so this module. Flask makes locks.
    from flask import request

    def is_under(path: str) -> bool:
        return under is None or path == under or path.startswith(under + "/")

    @app.after_request
    def add(response: Response) -> Response:
        # Browsers ignore these headers in a 101, and there are many of those.
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS or not is_under(request.path):
            return response
        headers = standard_headers(settings, secure=request.is_secure)
        if response.mimetype == "text/html":
            headers = {**headers, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response
