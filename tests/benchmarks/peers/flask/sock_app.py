"""Rooms of two on flask-sock, written as its documentation writes an app: a loop that receives and sends."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from flask_sock import Sock

app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25}
sock = Sock(app)
rooms: dict[tuple[str, ...], dict[str, Any]] = {}  # the connection of each user of a pair


@app.get("/")
def home() -> str:
    return "up"


@sock.route("/signaling")
def signaling(ws: Any) -> None:
    pair, user = (), ""
    try:
        while True:
            message = json.loads(ws.receive())
            kind = message["type"]
            if kind == "join":
                user = message["userId"]
                pair = tuple(sorted((user, message["remoteId"])))
                room = rooms.setdefault(pair, {})
                ws.send(json.dumps({"type": "joined" if room else "created"}))
                room[user] = ws
                tell(room.values(), {"type": "roomInfo", "userCount": len(room)})
            elif kind == "bye":
                leave(pair, user)
            else:
                data = message["data"] if kind == "message" else message
                tell(peers(pair, user), {"type": "message", "data": data, "from": user})
    finally:
        leave(pair, user)


def peers(pair: tuple[str, ...], user: str) -> list[Any]:
    return [ws for other, ws in rooms.get(pair, {}).items() if other != user]


def leave(pair: tuple[str, ...], user: str) -> None:
    others = peers(pair, user)
    if rooms.get(pair, {}).pop(user, None):
        tell(others, {"type": "bye", "userId": user})
    if not others:
        rooms.pop(pair, None)


def tell(connections: Any, message: dict[str, Any]) -> None:
    text = json.dumps(message)
    for ws in list(connections):
        ws.send(text)
