"""The functions for templates of an app: the tags for the browser client, and the words of the call page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import jinja2
from flask import Flask, current_app, g, url_for
from markupsafe import Markup

if TYPE_CHECKING:
    from jinja2.runtime import Context

TEMPLATES = "templates"
"""The folder of the templates, from that of this module."""

SPECIFIER = "signaling"
"""The name by which a page imports the browser client."""


def extension_key(name: str | None) -> str:
    """Return the key of an instance's node in ``app.extensions``."""
    return f"signaling.{name}" if name else "signaling"


def blueprint_name(name: str | None) -> str:
    """Return the name of an instance's blueprint."""
    return name or "signaling"


def add_tags(app: Flask) -> None:
    """Add ``signaling_tags`` and the words of the call page to the templates of ``app``."""
    if _context not in app.template_context_processors[None]:
        app.context_processor(_context)


def _context() -> dict[str, Any]:
    return {"signaling_tags": signaling_tags, "signaling_word": _word, "signaling_nonce": _nonce_attribute}


def signaling_tags(
    name: str | None = None, *, nonce: str | None = None, token: str | None = None, import_map: bool = True
) -> Markup:
    """Return the tags for the head of a page that uses the browser client.

    The first is an import map, so that scripts can write ``import { Call } from "signaling"``. The second is the
    configuration, as JSON in ``<script id="signaling-config">``: ``url``, the path of the WebSocket; ``prefix``; and
    ``token``, if there is one. If the service runs beside the app, ``url`` is that of the service, and ``tokenUrl`` is
    the path from which the page gets a token.

    Args:
        name: the instance; its configuration has the id ``signaling-config-NAME``.
        nonce: the nonce of the Content-Security-Policy. By default, it is that of Flask-Talisman, or ``g.csp_nonce``.
        token: the token with which the page joins.
        import_map: whether to return the import map. A page may have only one.

    Raises:
        LookupError: the app has no instance ``name``.
    """
    service = current_app.extensions.get(extension_key(name))
    if service is None:
        raise LookupError(f"This app has no Signaling named {name!r}")
    blueprint = blueprint_name(name)
    attribute = _nonce_attribute(nonce)
    client = url_for(f"{blueprint}.static", filename="client.js")
    prefix = client.removesuffix("/static/client.js")
    # The URL of a route for WebSockets would have the scheme and the host, as this app sees them behind its proxy.
    config = {"url": f"{prefix}/ws", "prefix": prefix}
    # A service that runs beside the app has an address of its own, and joins with the app's tokens.
    if url := getattr(service, "websocket_url", None):
        config |= {"url": url, "tokenUrl": url_for(f"{blueprint}.token")}
    if token is not None:
        config["token"] = token
    tags = []
    if import_map:
        tags.append(_script("importmap", "", attribute, {"imports": {SPECIFIER: client}}))
    identity = Markup(' id="{}"').format(f"signaling-config-{name}" if name else "signaling-config")
    tags.append(_script("application/json", identity, attribute, config))
    return Markup("\n").join(tags)


def _script(kind: str, identity: str, nonce: str, content: Mapping[str, Any]) -> Markup:
    # The JSON has no <, > or &, so that nothing in it ends the element.
    text = jinja2.utils.htmlsafe_json_dumps(content)
    return Markup('<script type="{}"{}{}>{}</script>').format(kind, identity, nonce, text)


def _nonce_attribute(nonce: str | None = None) -> Markup:
    """Return the attribute with the nonce of this response, with a space before it, or nothing."""
    if nonce is None:
        of_talisman = current_app.jinja_env.globals.get("csp_nonce")
        nonce = str(of_talisman() if callable(of_talisman) else g.get("csp_nonce") or "")
    return Markup(' nonce="{}"').format(nonce) if nonce else Markup("")


@jinja2.pass_context
def _word(context: Context, text: str) -> str:
    """Return a text of the call page in the words of the template's ``signaling_words``."""
    words = context.get("signaling_words")
    return str(words.get(text, text)) if isinstance(words, Mapping) else text
