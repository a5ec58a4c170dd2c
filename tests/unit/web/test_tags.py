"""The tags that a template of an app gets for the browser client."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask, g, render_template_string
from flask_talisman import Talisman

from signaling import Signaling
from signaling.web.tags import signaling_tags

EVIL = "</script><script>alert(1)//\"'&<!--"


class Scripts(HTMLParser):
    """The script elements of a text: their attributes, and their content as JSON."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[dict[str, str | None], Any]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "script"
        self.found.append((dict(attrs), None))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.found[-1] = (self.found[-1][0], json.loads(data))


@pytest.fixture
def app() -> Flask:
    app = Flask("shop")
    Signaling(app, url_prefix="/call")
    return app


def rendered(app: Flask, call: str = "signaling_tags()", **values: object) -> Scripts:
    with app.test_request_context("/shop/"):
        for name, value in values.items():
            setattr(g, name, value)
        return Scripts(render_template_string(f"{{{{ {call} }}}}"))


def test_a_page_gets_the_import_map_and_the_configuration(app: Flask):
    assert rendered(app).found == [
        ({"type": "importmap"}, {"imports": {"signaling": "/call/static/client.js"}}),
        ({"type": "application/json", "id": "signaling-config"}, {"url": "/call/ws", "prefix": "/call"}),
    ]
    with app.test_client().get("/call/static/client.js") as client:
        assert client.status_code == 200


def test_the_app_may_be_below_a_path_of_its_server(app: Flask):
    with app.test_request_context("/shop/", environ_overrides={"SCRIPT_NAME": "/site"}):
        found = Scripts(signaling_tags()).found
    assert found[0][1] == {"imports": {"signaling": "/site/call/static/client.js"}}
    assert found[1][1] == {"url": "/site/call/ws", "prefix": "/site/call"}


def test_without_a_prefix_the_routes_are_at_the_root():
    app = Flask("shop", static_folder=None)
    Signaling(app)
    assert [content for _, content in rendered(app).found] == [
        {"imports": {"signaling": "/static/client.js"}},
        {"url": "/ws", "prefix": ""},
    ]


def test_no_value_ends_its_element(app: Flask):
    with app.test_request_context():
        text = signaling_tags(token=EVIL, nonce=EVIL)
    assert len(re.findall("<script", text)) == len(re.findall("</script", text)) == 2
    [(first, _), (second, config)] = Scripts(text).found
    assert config["token"] == EVIL
    assert first["nonce"] == second["nonce"] == EVIL


def test_the_nonce_is_that_of_talisman(app: Flask):
    policy = {"default-src": "'self'", "script-src": ""}
    Talisman(app, force_https=False, content_security_policy=policy, content_security_policy_nonce_in=["script-src"])

    @app.get("/")
    def home() -> str:
        return render_template_string("{{ signaling_tags() }}")

    answer = app.test_client().get("/")
    [nonce] = re.findall(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"])
    assert [attributes["nonce"] for attributes, _ in Scripts(answer.text).found] == [nonce, nonce]


@pytest.mark.parametrize(
    ("call", "values", "nonce"),
    [
        ("signaling_tags()", {"csp_nonce": "of g"}, "of g"),
        ("signaling_tags(nonce='given')", {"csp_nonce": "of g"}, "given"),
        ("signaling_tags(nonce='')", {"csp_nonce": "of g"}, None),
        ("signaling_tags()", {}, None),
    ],
)
def test_the_nonce_is_that_of_the_app(app: Flask, call: str, values: dict[str, str], nonce: str | None):
    assert [attributes.get("nonce") for attributes, _ in rendered(app, call, **values).found] == [nonce, nonce]


def test_a_page_with_a_second_instance_needs_no_second_import_map(app: Flask):
    Signaling(app, name="support")
    found = rendered(app, "signaling_tags() + signaling_tags('support', import_map=False)").found
    assert [content["url"] for _, content in found[1:]] == ["/call/ws", "/support/ws"]
    assert [attributes.get("id") for attributes, _ in found] == [None, "signaling-config", "signaling-config-support"]
    assert rendered(app, "signaling_tags('support')").found[0][1] == {
        "imports": {"signaling": "/support/static/client.js"}
    }


def test_an_unknown_instance_is_an_error(app: Flask):
    with pytest.raises(LookupError, match="no Signaling named 'support'"):
        rendered(app, "signaling_tags('support')")
