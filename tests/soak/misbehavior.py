"""What misbehaving clients do, one function each, and how the server must end it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from tests.soak.context import SoakContext
from tests.soak.raw_client import frame, hello, text
from tests.soak.user import UnexpectedError

# What is wrong, and the code of the error it is answered with.
BAD_MESSAGES: dict[str | bytes, str] = {
    "": "invalid-json",
    "{": "invalid-json",
    "\0" * 60_000: "invalid-json",
    "[" * 60_000: "invalid-json",
    b"\xff": "invalid-json",
    '{"type":"message","data":NaN}': "invalid-json",
    r'{"type":"message","data":"\ud800"}': "invalid-json",
    "null": "invalid-message",
    '{"type":1}': "invalid-message",
    '{"type":"join","userId":[],"remoteId":1}': "invalid-message",
    '{"type":"join","userId":"x"}': "missing-parameters",
    '{"type":"dance"}': "unknown-type",
    '{"type":"message","data":"Is anybody there?"}': "not-in-room",
}

# What no WebSocket client sends, and the close code it is answered with.
BAD_FRAMES: dict[bytes, int] = {
    b"\x81\x02hi": 1002,
    frame(0xC1, b"compressed"): 1002,
    frame(0x83, b"of no opcode"): 1002,
    frame(0x89, b"x" * 126): 1002,
    frame(0x80, b"of no message"): 1002,
    frame(0x88, b"\x03"): 1002,
    frame(0x81, b"\xc3\x28"): 1007,
    frame(0x01, b"\xe2\x82") + frame(0x80, b"x"): 1007,
    frame(0x81, b"x" * 70_000): 1009,
    text(type="join", userId="self", remoteId="self"): 1008,
}

BAD_REQUESTS = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"DELETE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"\0\r\n\r\n",
)

POURED_AT_MOST = 600


async def send_garbage(context: SoakContext, number: int, dice: random.Random) -> None:
    user = await context.user(f"garbage {number}", "nobody")
    try:
        for bad in dice.choices(list(BAD_MESSAGES), k=dice.randint(1, 20)):
            await user.send_text(bad)
            await user.expect("error", code=BAD_MESSAGES[bad])
        await user.hear_nothing()
    finally:
        user.drop()


async def send_bad_frames(context: SoakContext, number: int, dice: random.Random) -> None:
    bad = dice.choice(list(BAD_FRAMES))
    await until_ended(context, dice, bad, BAD_FRAMES[bad])


async def send_noise(context: SoakContext, number: int, dice: random.Random) -> None:
    """What bytes there are may be a frame or the start of one, so that the end is any; but there is one."""
    await until_ended(context, dice, dice.randbytes(dice.randint(1, 5_000)), None)


async def until_ended(context: SoakContext, dice: random.Random, bad: bytes, code: int | None) -> None:
    client = await context.raw_client()
    try:
        await client.upgrade()
        await client.send(text(type="ping") * dice.randint(0, 3), bad)
        ended = await client.end()
        if code is not None and ended != code:
            raise UnexpectedError(f"{bad[:20]!r}… was closed with {ended} and not with {code}")
    finally:
        client.drop()


async def answer_no_ping(context: SoakContext, number: int, dice: random.Random) -> None:
    """It hears everything and says nothing any more."""
    client = await context.raw_client()
    try:
        await client.upgrade()
        if dice.random() < 0.5:
            await client.send(text(type="join", userId=f"deaf {number}", remoteId="nobody"))
        if (code := await client.end()) != 4008:
            raise UnexpectedError(f"one who does not answer was closed with {code}")
    finally:
        client.drop()


async def flood(context: SoakContext, number: int, dice: random.Random) -> None:
    client = await context.raw_client()
    try:
        await client.upgrade()
        await client.send(text(type="bye") * dice.randint(100, 3_000), text(type="ping") * dice.randint(0, 1_000))
        if dice.random() < 0.5:
            await client.send(frame(0x88, b"\x03\xe8"))
            if (code := await client.end()) != 1000:
                raise UnexpectedError(f"a flood's close was answered with {code}")
    finally:
        client.drop()


async def read_nothing(context: SoakContext, number: int, dice: random.Random) -> None:
    """Its peer pours until the server drops the one that does not read."""
    client = await context.raw_client()
    peer = await context.user(f"peer {number}", f"stuck {number}")
    try:
        await client.upgrade()
        await peer.join("created", alone=True)
        await client.send(text(type="join", userId=f"stuck {number}", remoteId=f"peer {number}"))
        await peer.see_ready()
        kinds: list[str] = []
        for _ in range(POURED_AT_MOST // 20):
            for _ in range(20):
                await peer.send(type="message", data="x" * 60_000)
            await peer.send(type="ping")
            while (reply := await peer.receive())["type"] != "pong":
                kinds.append(reply["type"])
                if reply["type"] == "bye" and reply["reason"] != "lost":
                    raise UnexpectedError(f"one who does not read was said to be gone by {reply}")
            if kinds:
                break
        if kinds[:2] != ["bye", "roomInfo"] or set(kinds[2:]) - {"error"}:
            raise UnexpectedError(f"the peer of one who does not read got {kinds}")
    finally:
        client.drop()
        peer.drop()


async def never_speak(context: SoakContext, number: int, dice: random.Random) -> None:
    user = await context.user("nobody", "nobody else")
    try:
        await context.throttle.rest(dice)
        if dice.random() < 0.5:
            await user.close()
    finally:
        user.drop()


async def stop_amid_handshake(context: SoakContext, number: int, dice: random.Random) -> None:
    """A part of the TLS handshake, or of something else, and then nothing."""
    start = dice.choice([hello(context.tls), b"GET / HTTP/1.1\r\n\r\n", b"", dice.randbytes(100)])
    await stop_amid(context, dice, start[: dice.randint(0, len(start))], tls=False)


async def stop_amid_request(context: SoakContext, number: int, dice: random.Random) -> None:
    request = dice.choice(BAD_REQUESTS)
    await stop_amid(context, dice, request[: dice.choice([0, dice.randint(0, len(request)), len(request)])], tls=True)


async def stop_amid(context: SoakContext, dice: random.Random, start: bytes, tls: bool) -> None:
    client = await context.raw_client(tls)
    try:
        await client.send(start)
        if dice.random() < 0.7:
            await client.end()
    finally:
        client.drop()


Misbehavior = Callable[[SoakContext, int, random.Random], Awaitable[None]]

MISBEHAVIORS: dict[Misbehavior, int] = {
    send_garbage: 4,
    send_bad_frames: 4,
    send_noise: 2,
    answer_no_ping: 2,
    flood: 1,
    read_nothing: 1,
    never_speak: 4,
    stop_amid_handshake: 4,
    stop_amid_request: 4,
}
