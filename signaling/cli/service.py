"""A client of the HTTP API of a running service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

import click
import urllib3

from ..config.logging import escaped
from .target import Target

TIMEOUT = 10.0
"""Seconds that the service may take to answer."""

MAX_SHOWN = 300
"""Characters of a refusal that are shown."""


class ServiceError(click.ClickException):
    """The service refused, or did not answer. ``str()`` of it is one line; the exit status is 1."""

    def __init__(self, url: str, reason: str) -> None:
        """Name the URL, and say what was wrong."""
        super().__init__(escaped(f"{url}: {reason[:MAX_SHOWN]}"))


def ask(
    target: Target, token: str, method: str, *path: str, query: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Return the answer of the service to a request of its API.

    Args:
        target: the service.
        token: its ``SIGNALING_API_TOKEN``.
        method: the HTTP method.
        path: the parts of the path behind ``/api``; they may hold any character.
        query: the query; a value that is None is left out.

    Raises:
        ServiceError: the service refused, cannot be reached, or gave no JSON.
    """
    given = {name: value for name, value in (query or {}).items() if value is not None}
    url = "/".join([f"{target.url}/api", *(quote(part, safe="") for part in path)])
    if given:
        url += f"?{urlencode(given)}"
    # Without retries, it follows no redirect, which would take the token to another address.
    pool = urllib3.PoolManager(
        retries=False, timeout=TIMEOUT, ssl_context=target.tls if url.startswith("https:") else None
    )
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    try:
        response = pool.request(method, url, headers=headers)
    # ValueError: the URL or the token cannot be sent.
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise ServiceError(url, f"{_reason(error)}{target.hint}") from None
    try:
        answer = json.loads(response.data) if response.data else {}
    except (ValueError, RecursionError):
        answer = None
    if not 200 <= response.status < 300:
        raise ServiceError(url, f"HTTP {response.status}{_problem(answer)}")
    if not isinstance(answer, dict):
        raise ServiceError(url, "the answer is no JSON object: is it the address of a signaling service?")
    return answer


def _problem(answer: object) -> str:
    """Return the words of an error (RFC 9457), with a colon before each."""
    if not isinstance(answer, dict):
        return ""
    words = [answer[name] for name in ("title", "detail") if isinstance(answer.get(name), str)]
    return "".join(f": {each}" for each in dict.fromkeys(words))


def _reason(error: Exception) -> str:
    # urllib3 wraps the system's error, whose words are shorter.
    inner = error.__cause__ or error.__context__
    if isinstance(inner, OSError):
        return inner.strerror or str(inner) or type(inner).__name__
    return str(error) or type(error).__name__
