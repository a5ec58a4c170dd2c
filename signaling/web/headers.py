"""What each response of the service tells a browser it may do with it: the same for all of its kind."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from ..config.settings import Settings

if TYPE_CHECKING:
    from flask import Blueprint, Flask, Response

CONTENT_SECURITY_POLICY = "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'"

# What the call page needs, and what it has no use for. What is not named here is as browsers have it.
_OWN = ("camera", "microphone", "display-capture", "fullscreen", "speaker-selection")
_NOBODYS = (
    *("accelerometer", "browsing-topics", "encrypted-media", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "local-fonts", "magnetometer", "midi", "payment", "publickey-credentials-get", "serial"),
    *("usb", "xr-spatial-tracking"),
)
PERMISSIONS_POLICY = ", ".join([*(f"{name}=(self)" for name in _OWN), *(f"{name}=()" for name in _NOBODYS)])

_ALWAYS = {
    "Permissions-Policy": PERMISSIONS_POLICY,
    # The address of the call page has the names of both users in it.
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def standard_headers(settings: Settings, *, secure: bool) -> dict[str, str]:
    """Return what every response has, whatever it is; ``secure`` tells if it goes over TLS."""
    # Without TLS browsers ignore it (RFC 6797, section 8.1).
    if secure and settings.hsts_max_age:
        return {**_ALWAYS, "Strict-Transport-Security": f"max-age={settings.hsts_max_age}"}
    return _ALWAYS


def add_headers(app: Flask | Blueprint, settings: Settings, *, under: str | None = None) -> None:
    """Add the headers to each response of ``app``, or of a blueprint, that does not have its own.

    Args:
        app: the app or blueprint.
        settings: its settings.
        under: the path that a request must be under; all are if it is None.
    """

    # Not at the top: gunicorn's master imports the worker class and so this, and Flask makes locks.
    from flask import request

    def is_under(path: str) -> bool:
        return under is None or path == under or path.startswith(under + "/")

    @app.after_request
    def add(response: Response) -> Response:
        # A 101 is none that a browser goes by, and there are many of them.
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS or not is_under(request.path):
            return response
        headers = standard_headers(settings, secure=request.is_secure)
        if response.mimetype == "text/html":
            headers = {**headers, "Content-Security-Policy": CONTENT_SECURITY_POLICY}
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response
