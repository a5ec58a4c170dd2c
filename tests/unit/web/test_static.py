"""Files that pages load: each by the address that it always had."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask
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
