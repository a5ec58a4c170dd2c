"""The files of the pages and of the browser client, beside those of an app that has a ``/static/`` too."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from flask import Blueprint, Flask, Response
from werkzeug.routing import PathConverter

log = logging.getLogger(__name__)

_FOLDER = Path(__file__).parent / "static"


def add_static_files(blueprint: Blueprint, app: Flask) -> None:
    """Serve the files under ``/static/``, and the modules of the browser client directly below it as well.

    If ``blueprint`` has no prefix and the static files of ``app`` are under ``/static/``, both are served. A file of
    the app comes before one of ours with the same path, and a warning names it.
    """
    if blueprint.url_prefix is None and app.has_static_folder and app.static_url_path == "/static":
        _add_beside(blueprint, app)
        return

    @blueprint.get("/static/<name>.js")
    def client_module(name: str) -> Response:
        # The public address of the browser client is /static/client.js. Its modules import each other from there.
        return blueprint.send_static_file(f"client/{name}.js")


def _add_beside(blueprint: Blueprint, app: Flask) -> None:
    """Add a route for our files alone: the app's route for the whole folder comes before that of the blueprint."""
    files = {path.relative_to(_FOLDER).as_posix(): path for path in sorted(_FOLDER.rglob("*")) if path.is_file()}
    addresses = {name: name for name in files} | {
        path.name: name for name, path in files.items() if path.parent.name == "client"
    }
    theirs = {address for address in addresses if Path(app.static_folder or "", address).is_file()}
    if theirs:
        log.warning(
            "%s: the app's static files hide files of the call page or the browser client; give Signaling a url_prefix",
            ", ".join(f"/static/{address}" for address in sorted(theirs)),
        )

    class OurFile(PathConverter):
        """A path of one of our files. Werkzeug tries it before any other path."""

        regex = "|".join(re.escape(address) for address in sorted(addresses.keys() - theirs))
        weight = PathConverter.weight - 1

    app.url_map.converters["signaling_file"] = OurFile

    @blueprint.get("/static/<signaling_file:address>")
    def static_file(address: str) -> Response:
        return blueprint.send_static_file(addresses[address])
