"""Files that pages load: each by the address that it always had."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask, url_for
from flask.testing import FlaskClient

from signaling import Signaling

STATIC = Path(__file__).parents[3] / "signaling/web/static"
MODULES = sorted(path.name for path in (STATIC / "client").iterdir())
FILES = sorted(str(path.relative_to(STATIC)) for path in STATIC.rglob("*.*"))


@pytest.fixture(params=["", "/call"])
def prefix(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def client(prefix: str) -> FlaskClient:
    app = Flask("app", static_folder=None)
    Signaling(app, url_prefix=prefix or None)
    return app.test_client()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_browser_client_is_at_both_addresses(client: FlaskClient, prefix: str, module: str):
    for address in (module, f"client/{module}"):
        with client.get(f"{prefix}/static/{address}") as answer:
            assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
            assert answer.data == (STATIC / "client" / module).read_bytes()


@pytest.mark.parametrize("module", MODULES)
def test_a_module_of_the_browser_client_imports_only_those_beside_it(module: str):
    code = (STATIC / "client" / module).read_text()
    imported = re.findall(r"^(?:import|export|\}) .*from '(.+)';", code, flags=re.MULTILINE)
    assert {path.removeprefix("./") for path in imported} <= set(MODULES)


@pytest.mark.parametrize("path", FILES)
def test_every_file_is_at_its_address(client: FlaskClient, prefix: str, path: str):
    with client.get(f"{prefix}/static/{path}") as answer:
        assert answer.status_code == 200
        assert answer.data == (STATIC / path).read_bytes()


def test_a_browser_that_has_a_module_asks_whether_it_changed(client: FlaskClient, prefix: str):
    with client.get(f"{prefix}/static/client.js") as first:
        tag = first.headers["ETag"]
    with client.get(f"{prefix}/static/client.js", headers={"If-None-Match": tag}) as again:
        assert again.status_code == 304


@pytest.mark.parametrize(
    "path", ["nothing.js", "client", "client/", ".js", "..%2fpages.js", "..%2f..%2fpages.py", "a%2fb.js"]
)
def test_what_is_no_file_is_not_found(client: FlaskClient, prefix: str, path: str):
    assert client.get(f"{prefix}/static/{path}").status_code == 404


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The static files of an app."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "shop.js").write_text("the shop's")
    return tmp_path


def text(client: FlaskClient, path: str) -> str:
    with client.get(path) as answer:
        return answer.text if answer.status_code == 200 else str(answer.status_code)


@pytest.mark.parametrize("prefix", ["", "/call"])
def test_the_apps_static_files_and_ours_are_both_there(folder: Path, prefix: str, caplog: pytest.LogCaptureFixture):
    app = Flask("app", root_path=str(folder))
    Signaling(app, url_prefix=prefix or None)
    client = app.test_client()
    assert text(client, "/static/shop.js") == "the shop's"
    assert text(client, "/static/nothing.js") == "404"
    for path in FILES:
        assert client.get(f"{prefix}/static/{path}", buffered=True).data == (STATIC / path).read_bytes()
    for module in MODULES:
        assert text(client, f"{prefix}/static/{module}") == (STATIC / "client" / module).read_text()
    with app.test_request_context():
        assert text(client, url_for("static", filename="shop.js")) == "the shop's"
        assert text(client, url_for("signaling.static", filename="client.js" if not prefix else "client/client.js"))
    assert caplog.messages == []


def test_a_file_of_the_app_stays_the_apps_and_a_warning_says_what_it_hides(
    folder: Path, caplog: pytest.LogCaptureFixture
):
    (folder / "static" / "timer.js").write_text("the shop's timer")
    app = Flask("app", root_path=str(folder))
    Signaling(app)
    client = app.test_client()
    assert text(client, "/static/timer.js") == "the shop's timer"
    assert text(client, "/static/client/timer.js") == (STATIC / "client/timer.js").read_text()
    assert caplog.messages[0].startswith("/static/timer.js: the app's static files hide files of the call page")


def test_static_files_of_the_app_at_another_path_are_no_trouble(folder: Path, caplog: pytest.LogCaptureFixture):
    for path in ("/assets", "/"):
        app = Flask("app", root_path=str(folder), static_url_path=path)
        Signaling(app)
        client = app.test_client()
        assert text(client, f"{path.rstrip('/')}/shop.js") == "the shop's"
        assert text(client, "/static/client.js") == (STATIC / "client/client.js").read_text()
        assert text(client, "/static/page/call-page.js") == (STATIC / "page/call-page.js").read_text()
    assert caplog.messages == []
