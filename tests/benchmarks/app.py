"""An app with the extension. With RULES=1 it names its users, allows each call, and hears of all of them."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask, request

from signaling import Signaling, call_ended, call_started, call_waiting, waiting_ended

app = Flask(__name__, static_folder=None)
signaling = Signaling()

if os.environ["RULES"] == "1":

    @signaling.user_loader
    def load_user() -> str | None:
        return request.args.get("user")

    @signaling.authorizer
    def may_call(user: str, peer: str) -> bool:
        return user != peer

    def hear(_: Flask, **__: Any) -> None:
        """Do nothing: only the way to it is measured."""

    for signal in (call_waiting, waiting_ended, call_started, call_ended):
        signal.connect(hear, app)
else:
    app.config["SIGNALING_OPEN"] = True

signaling.init_app(app)
