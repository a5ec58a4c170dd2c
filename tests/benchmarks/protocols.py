"""How a client speaks with each kind of server: what it sends, and what it is told."""

from __future__ import annotations

import json
from enum import Enum, auto

from payloads import CANDIDATE, OFFER, SIZES, filled


class Event(Enum):
    """What a client waits for."""

    WELCOME = auto()  # it may join
    PAIRED = auto()  # its peer is there as well
    LEFT = auto()  # its peer left
    ERROR = auto()


class Protocol:
    """One that has no messages of its own: a frame goes to the other of two who connected one after the other."""

    handshake: Event | None = Event.PAIRED
    """What the WebSocket's opening tells by itself."""
    one_by_one = True

    def join(self, user: str, peer: str) -> bytes | None:
        return None

    def bye(self, peer: str) -> bytes:
        raise NotImplementedError

    def payload(self, kind: str, peer: str) -> bytes:
        head, tail = {"candidate": CANDIDATE, "offer": OFFER}[kind]
        return filled(*self.envelope(kind, peer, head, tail), SIZES[kind])

    def envelope(self, kind: str, peer: str, head: str, tail: str) -> tuple[str, str]:
        return head, tail

    def reply(self, text: bytes) -> bytes | None:
        """Return what a client answers by itself."""
        return None

    def event(self, text: bytes) -> Event | None:
        return None


class Rooms(Protocol):
    """Two who name each other meet in a room."""

    handshake = Event.WELCOME
    one_by_one = False

    def join(self, user: str, peer: str) -> bytes | None:
        return json.dumps({"type": "join", "userId": user, "remoteId": peer}).encode()

    def bye(self, peer: str) -> bytes:
        return b'{"type":"bye"}'

    def envelope(self, kind: str, peer: str, head: str, tail: str) -> tuple[str, str]:
        field = {"candidate": '{"type":"candidate","candidate":', "offer": '{"type":"message","data":'}[kind]
        return field + head, tail + "}"

    def event(self, text: bytes) -> Event | None:
        message = json.loads(text)
        if message["type"] == "roomInfo":
            return Event.PAIRED if message["userCount"] == 2 else None
        return {"error": Event.ERROR, "bye": Event.LEFT}.get(message["type"])


class SocketIO(Protocol):
    """Socket.IO 5 over Engine.IO 4: rooms, and events with a name."""

    handshake = None
    one_by_one = False

    def join(self, user: str, peer: str) -> bytes | None:
        return f'42["join",{{"userId":"{user}","remoteId":"{peer}"}}]'.encode()

    def bye(self, peer: str) -> bytes:
        return b'42["bye"]'

    def envelope(self, kind: str, peer: str, head: str, tail: str) -> tuple[str, str]:
        return f'42["signal",{{"{kind}":{head}', tail + "}]"

    def reply(self, text: bytes) -> bytes | None:
        return b"40" if text.startswith(b"0") else b"3" if text == b"2" else None

    def event(self, text: bytes) -> Event | None:
        if text.startswith(b"40"):
            return Event.WELCOME
        if text.startswith(b"44"):
            return Event.ERROR
        named = json.loads(text[2:])[0] if text.startswith(b"42") else None
        return {"ready": Event.PAIRED, "bye": Event.LEFT}.get(named)


class PeerJS(Protocol):
    """Every client has an id, which messages name; nobody joins. So a client that is there counts as paired."""

    handshake = None
    one_by_one = False

    def bye(self, peer: str) -> bytes:
        return f'{{"type":"LEAVE","dst":"{peer}"}}'.encode()

    def envelope(self, kind: str, peer: str, head: str, tail: str) -> tuple[str, str]:
        about = '"type":"media","connectionId":"mc_1"'
        field = {"candidate": "candidate", "offer": "sdp"}[kind]
        return f'{{"type":"{kind.upper()}","dst":"{peer}","payload":{{{about},"{field}":{head}', tail + "}}"

    def event(self, text: bytes) -> Event | None:
        named = json.loads(text)["type"]
        return {"OPEN": Event.PAIRED, "LEAVE": Event.LEFT, "ERROR": Event.ERROR, "ID-TAKEN": Event.ERROR}.get(named)


PROTOCOLS = {"none": Protocol(), "rooms": Rooms(), "socketio": SocketIO(), "peerjs": PeerJS()}
