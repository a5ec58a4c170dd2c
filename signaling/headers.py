"""What each response of the service tells a browser it may do with it: the same for all of its kind."""

from __future__ import annotations

from http import HTTPStatus

from flask import Blueprint, Response, request

from .settings import Settings

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


def add_headers(blueprint: Blueprint, settings: Settings) -> None:
    """Add the headers to every response of ``blueprint`` that does not have its own."""
    # Without TLS browsers ignore it (RFC 6797, section 8.1).
    hsts = f"max-age={settings.hsts_max_age}" if settings.hsts_max_age else None

    @blueprint.after_request
    def add(response: Response) -> Response:
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # It is none that a browser goes by, and there are many of them.
            return response
        headers = dict(_ALWAYS)
        if response.mimetype == "text/html":
            headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        if hsts and request.is_secure:
            headers["Strict-Transport-Security"] = hsts
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        return response
