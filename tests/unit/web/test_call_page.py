"""The call page: the static file, off, or a template of the app's own that extends ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from flask import Flask, render_template

from signaling import Signaling, create_app
from signaling.web import tags
from tests.driver import ROOT

PAGE = ROOT / "signaling/web/static/page/index.html"
BASE = ROOT / "signaling/web/templates/signaling/call_base.html"
BROWSER = {"Accept": "text/html"}


def make_app(folder: Path, template: str | None = None, prefix: str | None = "/call", **config: object) -> Flask:
    if template is not None:
        (folder / "templates/signaling").mkdir(parents=True)
        (folder / "templates/signaling/call.html").write_text(template)
    app = Flask("shop", root_path=str(folder))
    app.config.from_mapping(config)
    Signaling(app, url_prefix=prefix)
    return app


def test_our_template_is_the_static_page(tmp_path: Path):
    """So the page of an app that changes one block is the page of the service in all others."""
    with make_app(tmp_path).test_request_context():
        assert render_template("signaling/call_base.html") + "\n" == PAGE.read_text()


@pytest.mark.parametrize("made", [create_app, lambda: make_app(Path("/nowhere"), prefix=None)])
def test_without_a_template_the_page_is_the_static_file(made):
    client = made().test_client()
    with client.get("/", headers=BROWSER) as answer:
        assert answer.data == PAGE.read_bytes()
        assert answer.headers["Cache-Control"] == "no-cache"
        tag = answer.headers["ETag"]
    with client.get("/", headers=BROWSER | {"If-None-Match": tag}) as again:
        assert again.status_code == 304


def test_an_app_replaces_single_blocks(tmp_path: Path):
    app = make_app(
        tmp_path,
        '{% extends "signaling/call_base.html" %}{% block title %}The Shop{% endblock %}'
        '{% block footer %}<footer>{{ config["OWNER"] }}</footer>{% endblock %}',
        OWNER="Us & Co",
    )
    answer = app.test_client().get("/call/", headers=BROWSER)
    changed = [
        (old, new)
        for old, new in zip(PAGE.read_text().splitlines(), answer.text.splitlines(), strict=True)
        if old != new
    ]
    assert changed == [
        ("  <title>Video call</title>", "  <title>The Shop</title>"),
        ("  <footer>WebRTC Signaling Server Running</footer>", "  <footer>Us &amp; Co</footer>"),
    ]
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Vary"] == "Accept"
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert app.test_client().get("/call/").text == "WebRTC Signaling Server Running\n"


@pytest.mark.parametrize("block", re.findall(r"\{%-? block (\w+)", BASE.read_text()))
def test_every_block_can_be_replaced(tmp_path: Path, block: str):
    template = f'{{% extends "signaling/call_base.html" %}}{{% block {block} %}}REPLACED{{% endblock %}}'
    assert make_app(tmp_path, template).test_client().get("/call/", headers=BROWSER).text.count("REPLACED") == 1


WORDS = {"Join the call": 'Beitreten <"&">', "Waiting for {peer}": "Warte auf {peer}", "Your picture": '"Bild"'}


def test_an_app_replaces_words_in_the_page_and_for_its_scripts(tmp_path: Path):
    template = f'{{% extends "signaling/call_base.html" %}}{{% set signaling_words = {WORDS!r} %}}'
    page = make_app(tmp_path, template).test_client().get("/call/", headers=BROWSER).text
    assert ">Beitreten &lt;&#34;&amp;&#34;&gt;</button>" in page
    assert page.count('aria-label="&#34;Bild&#34;"') == 2
    assert "Start a call" in page
    [words] = re.findall(r'<script type="application/json" id="signaling-words">(.*)</script>', page)
    assert json.loads(words) == WORDS


def test_words_may_come_from_a_context_processor(tmp_path: Path):
    app = make_app(tmp_path, '{% extends "signaling/call_base.html" %}')
    app.context_processor(lambda: {"signaling_words": WORDS})
    assert "Beitreten" in app.test_client().get("/call/", headers=BROWSER).text


def test_every_script_and_style_of_the_page_has_the_nonce(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    template = f'{{% extends "signaling/call_base.html" %}}{{% set signaling_words = {WORDS!r} %}}'
    app = make_app(tmp_path, template)
    app.jinja_env.globals["csp_nonce"] = lambda: "once"
    page = app.test_client().get("/call/", headers=BROWSER).text
    elements = re.findall(r'<(?:script|link rel="stylesheet")[^>]*>', page)
    assert len(elements) == 6
    assert all('nonce="once"' in element for element in elements)


def test_a_broken_template_is_an_error_and_not_the_static_page(tmp_path: Path):
    app = make_app(tmp_path, '{% extends "no/such.html" %}')
    assert app.test_client().get("/call/", headers=BROWSER).status_code == 500


def test_while_debugging_a_new_template_is_found_at_once(tmp_path: Path):
    app = make_app(tmp_path)
    app.debug = True
    client = app.test_client()
    with client.get("/call/", headers=BROWSER) as answer:
        assert answer.data == PAGE.read_bytes()
    (tmp_path / "templates/signaling").mkdir(parents=True)
    (tmp_path / "templates/signaling/call.html").write_text("new")
    assert client.get("/call/", headers=BROWSER).text == "new"


def test_the_page_can_be_turned_off(tmp_path: Path):
    client = make_app(tmp_path, SIGNALING_PAGE=False).test_client()
    assert client.get("/call/", headers=BROWSER).status_code == 404
    assert client.get("/call/").status_code == 404
    # A page learns here why its WebSocket was refused.
    assert client.post("/call/").status_code == client.post("/call/ws").status_code == 204
    with client.get("/call/static/client.js") as module:
        assert module.status_code == 200


@pytest.mark.parametrize("shown", [True, False])
def test_without_the_page_the_root_is_the_apps_own(tmp_path: Path, shown: bool):
    app = make_app(tmp_path, prefix=None, SIGNALING_PAGE=shown)
    app.add_url_rule("/", "home", lambda: "Home", methods=["GET", "POST"])
    client = app.test_client()
    assert (client.get("/").text == "Home") is not shown
    assert (client.post("/").text == "Home") is not shown
    sockets = [rule.rule for rule in app.url_map.iter_rules() if rule.websocket]
    assert sockets == ["/", "/ws"]


def test_the_words_of_our_template_are_those_that_its_scripts_write_too():
    """A text that both show needs one translation: a script writes the words that the template has as well."""
    shown = set(re.findall(r'signaling_word\("([^"]+)"\)', BASE.read_text()))
    scripts = "".join(path.read_text() for path in PAGE.parent.glob("*.js"))
    for text in ("Ready", "Video call", "Start a call", "Join the call", "Full screen", "Share screen", "Chat"):
        assert text in shown
        assert f"'{text}'" in scripts


def test_the_tags_are_added_once(tmp_path: Path):
    app = make_app(tmp_path)
    tags.add_tags(app)
    assert len(app.template_context_processors[None]) == len(Flask("other").template_context_processors[None]) + 1
