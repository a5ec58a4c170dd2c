"""Rooms of two on Flask-SocketIO, written as its documentation writes an app: events and rooms."""

from __future__ import annotations

from typing import Any

from flask import Flask, session
from flask_socketio import SocketIO, emit, join_room, leave_room

app = Flask(__name__)
app.config["SECRET_KEY"] = "benchmark"
socketio = SocketIO(app, async_mode="gevent")
rooms: dict[str, set[str]] = {}


@app.get("/")
def home() -> str:
    return "up"


@socketio.on("join")
def join(data: dict[str, str]) -> None:
    user = session["user"] = data["userId"]
    room = session["room"] = "_".join(sorted((user, data["remoteId"])))
    join_room(room)
    users = rooms.setdefault(room, set())
    users.add(user)
    if len(users) == 2:
        emit("ready", to=room)


@socketio.on("signal")
def signal(data: Any) -> None:
    emit("signal", data, to=session["room"], include_self=False)


@socketio.on("bye")
def bye() -> None:
    room = session.pop("room", None)
    if room is None:
        return
    leave_room(room)
    emit("bye", to=room)
    users = rooms.get(room, set())
    users.discard(session["user"])
    if not users:
        rooms.pop(room, None)


@socketio.on("disconnect")
def disconnect() -> None:
    bye()
