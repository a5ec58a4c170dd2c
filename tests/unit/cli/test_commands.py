"""The commands that need no running service, and how each ends if a setting is wrong."""

from __future__ import annotations

import json
import subprocess
import sys

import jwt
import pytest
from click.testing import Result
from flask import Flask

from signaling import Signaling
from signaling.config.env import SettingsError
from signaling.config.settings import Settings
from signaling.security.minting import mint
from tests.driver import ROOT
from tests.unit.security.test_jwt import PRIVATE, SECRET, pem
from tests.waiting import TIMEOUT

COMMANDS = ["calls", "check", "disconnect", "gunicorn-conf", "settings", "token", "waiting"]


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["signaling", *arguments])


def make_app(**settings: object) -> Flask:
    app = Flask("shop")
    app.config.from_mapping({f"SIGNALING_{name.upper()}": value for name, value in settings.items()})
    Signaling(app, url_prefix="/call")
    return app


def test_the_commands_are_those_of_the_documents():
    listed = run(make_app(open=True), "--help").stdout
    names = [line.split()[0] for line in listed.partition("Commands:\n")[2].splitlines() if line[2:3].strip()]
    assert names == COMMANDS


def test_a_worker_loads_no_command():
    code = (
        "import sys; from flask import Flask; from signaling import Signaling; Signaling(Flask('app'));"
        "print([name for name in sys.modules if name.startswith('signaling.cli.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=TIMEOUT
    )
    assert done.stdout == "['signaling.cli.group']\n"


def test_an_apps_own_command_of_that_name_stays():
    app = Flask("shop")

    @app.cli.command("signaling")
    def own() -> None:
        print("the app's own")

    Signaling(app)
    assert app.test_cli_runner().invoke(args=["signaling"]).output == "the app's own\n"


# token


def test_a_token_has_the_audience_and_the_peers():
    app = make_app(jwt_key=SECRET, jwt_audience="calls", jwt_issuer="shop")
    done = run(app, "token", "alice", "--peer", "bob", "--peer", "carol", "--ttl", "60")
    assert done.exit_code == 0
    claims = jwt.decode(done.stdout.strip(), SECRET, ["HS256"], audience="calls")
    assert claims.pop("exp") - claims.pop("iat") == 60
    assert claims == {"sub": "alice", "peer": ["bob", "carol"], "aud": "calls", "iss": "shop"}


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("", "SIGNALING_JWT_KEY is not set: a token needs a key that signs it"),
        (pem(PRIVATE["ES256"]), "SIGNALING_JWT_KEY cannot sign tokens: it only verifies tokens"),
    ],
)
def test_without_a_key_that_signs_there_is_one_line_and_status_78(key: str, why: str):
    done = run(make_app(jwt_key=key), "token", "alice")
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert done.stderr.startswith(f"Error: {why}")


@pytest.mark.parametrize("arguments", [[""], ["alice", "--peer", ""]])
def test_an_empty_name_never_becomes_a_token_for_everybody(arguments: list[str]):
    assert run(make_app(jwt_key=SECRET), "token", *arguments).exit_code == 2


@pytest.mark.parametrize("wrong", [{"user": ""}, {"peer": ""}, {"peer": []}, {"peer": ["bob", ""]}, {"ttl": 0}])
def test_a_wrong_argument_mints_nothing(wrong: dict[str, object]):
    with pytest.raises(ValueError, match="a token"):
        mint(Settings(jwt_key=SECRET), **{"user": "alice", **wrong})


def test_a_user_and_a_peer_may_be_numbers():
    claims = jwt.decode(mint(Settings(jwt_key=SECRET), 7, 8), SECRET, ["HS256"])
    assert (claims["sub"], claims["peer"], claims["exp"] - claims["iat"]) == ("7", ["8"], 300)


# settings


def explained(app: Flask) -> dict[str, dict[str, object]]:
    done = run(app, "settings", "--json")
    assert done.exit_code == 0
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_each_setting_says_where_its_value_comes_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SIGNALING_PING_INTERVAL", "10")
    monkeypatch.setenv("SIGNALING_MAX_CONNECTIONS", "5")
    rows = explained(make_app(max_connections=7, stun_urls="stun:a stun:b"))
    assert rows["SIGNALING_PING_INTERVAL"] == {
        "name": "SIGNALING_PING_INTERVAL",
        "value": 10.0,
        "source": "environment",
        "default": 25.0,
    }
    assert (rows["SIGNALING_MAX_CONNECTIONS"]["value"], rows["SIGNALING_MAX_CONNECTIONS"]["source"]) == (
        7,
        "app.config",
    )
    assert rows["SIGNALING_STUN_URLS"]["value"] == ["stun:a", "stun:b"]
    assert (rows["PORT"]["value"], rows["PORT"]["source"]) == (8443, "default")
    assert rows["SIGNALING_URL_PREFIX"]["value"] == "/call"
    assert rows["SIGNALING_URL_PREFIX"]["source"] == "Signaling(url_prefix=…)"


def test_no_secret_is_shown():
    app = make_app(jwt_key=SECRET, ops_token="hush hush")
    for arguments in ([], ["--json"]):
        shown = run(app, "settings", *arguments).output
        assert SECRET not in shown
        assert "hush" not in shown
    rows = explained(app)
    assert [rows[name]["value"] for name in ("SIGNALING_JWT_KEY", "SIGNALING_TURN_SECRET")] == ["set", "not set"]


def test_the_table_has_a_line_for_each_setting():
    app = make_app(stun_urls="stun:a stun:b", ping_interval=10)
    lines = run(app, "settings").stdout.splitlines()
    assert len(lines) == 1 + len(explained(app))
    table = {line.split()[0]: line.split()[1:] for line in lines}
    assert table["SIGNALING_STUN_URLS"] == ["stun:a", "stun:b", "app.config"]
    assert table["SIGNALING_PING_INTERVAL"] == ["10", "app.config"]
    assert table["SIGNALING_PAGE"] == ["true", "default"]


# gunicorn-conf


def test_the_printed_configuration_ends_with_install():
    done = run(make_app(), "gunicorn-conf")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "install(globals())"
    compile(done.stdout, "gunicorn.conf.py", "exec")


def test_settings_that_gunicorn_does_not_see_are_named():
    done = run(make_app(max_connections=7), "gunicorn-conf")
    assert done.stderr == "gunicorn does not see app.config; set in the environment too: SIGNALING_MAX_CONNECTIONS\n"


# A wrong setting


WRONG = """
from flask import Flask
from signaling import Signaling

def create_app():
    app = Flask(__name__)
    app.config["SIGNALING_PING_INTERVAL"] = "soon"
    Signaling(app)
    return app
"""


def test_a_wrong_setting_is_one_line_and_status_78(tmp_path):
    (tmp_path / "wrong.py").write_text(WRONG)
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wrong", "signaling", "settings"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (78, "", 1)
    assert done.stderr.startswith("Error: SIGNALING_PING_INTERVAL: 'soon' is not usable; write a number")


def test_a_wrong_setting_outside_a_command_is_the_usual_error():
    with pytest.raises(SettingsError, match="'soon' is not usable") as raised:
        make_app(ping_interval="soon")
    assert str(raised.value).startswith("SIGNALING_PING_INTERVAL")


def test_an_unknown_instance_is_named():
    done = run(make_app(), "settings", "--name", "support")
    assert done.exit_code == 2
    assert "This app has no Signaling named 'support'" in done.stderr


def test_a_secret_that_is_derived_has_its_source():
    app = Flask("shop")
    app.config["SIGNALING_SERVICE_SECRET"] = "a secret of thirty-two bytes or more"
    Signaling(app)
    done = app.test_cli_runner().invoke(args=["signaling", "settings", "--json"])
    rows = {row["name"]: (row["value"], row["source"]) for row in json.loads(done.stdout)}
    assert rows["SIGNALING_JWT_KEY"] == rows["SIGNALING_API_TOKEN"] == ("set", "SIGNALING_SERVICE_SECRET")
    assert rows["SIGNALING_WEBHOOK_SECRET"] == ("not set", "default")


def test_an_app_beside_the_service_makes_tokens_and_explains_its_settings():
    app = Flask("shop")
    app.config.update(
        SIGNALING_SERVICE_URL="https://call.example.org",
        SIGNALING_SERVICE_SECRET="a secret of thirty-two bytes or more",
    )
    Signaling(app)
    run = app.test_cli_runner().invoke
    assert run(args=["signaling", "token", "alice", "--peer", "bob"]).stdout.count(".") == 2
    rows = {row["name"]: row["value"] for row in json.loads(run(args=["signaling", "settings", "--json"]).stdout)}
    assert (rows["SIGNALING_SERVICE_URL"], rows["SIGNALING_URL_PREFIX"]) == ("https://call.example.org", "/signaling")


# A second instance


def make_two(**config: object) -> Flask:
    app = Flask("shop")
    app.config.from_mapping(SIGNALING_JWT_KEY=SECRET, SIGNALING_PING_INTERVAL=10, **config)
    Signaling(app, url_prefix="/call")
    Signaling(app, name="support")
    return app


def test_the_settings_of_a_second_instance_are_its_own():
    app = make_two(SUPPORT_SIGNALING_JWT_KEY=SECRET[::-1], SUPPORT_SIGNALING_MAX_CONNECTIONS=7)
    done = run(app, "settings", "--name", "support", "--json")
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["SUPPORT_SIGNALING_MAX_CONNECTIONS"]["value"] == 7
    assert rows["SIGNALING_PING_INTERVAL"]["value"] == 10
    assert rows["SIGNALING_PING_INTERVAL"]["source"] == "app.config"
    assert rows["SIGNALING_URL_PREFIX"]["value"] == "/support"
    assert rows["SIGNALING_URL_PREFIX"]["source"] == "default"
    assert explained(app)["SIGNALING_MAX_CONNECTIONS"]["value"] == 10_000
    token = run(app, "token", "alice", "--name", "support").stdout.strip()
    assert jwt.decode(token, SECRET[::-1], ["HS256"])["sub"] == "alice"


def test_the_instances_of_an_app_are_named():
    done = run(make_two(), "settings", "--name", "sales")
    assert done.stderr.endswith("This app has no Signaling named 'sales'; those with a name are 'support'\n")
