"""Everything an operator can set, read once from the environment into one frozen object."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

PREFIX = "SIGNALING_"

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]

# As browsers take them: they refuse to make a connection at all for one URL that they do not understand.
_HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~-]+)"
_PORT = r"(:(6553[0-5]|655[0-2]\d|65[0-4]\d{2}|6[0-4]\d{3}|[1-5]\d{4}|[1-9]\d{0,3}))?"
StunUrl = Annotated[
    str,
    Meta(title="STUN URIs (RFC 7064)", examples=["stun:stun.example.org:3478"], pattern=rf"^stuns?:{_HOST}{_PORT}\Z"),
]
TurnUrl = Annotated[
    str,
    Meta(
        title="TURN URIs (RFC 7065)",
        examples=["turn:turn.example.org:3478?transport=udp"],
        pattern=rf"^turns?:{_HOST}{_PORT}(\?transport=(udp|tcp))?\Z",
    ),
]
SECRET = Meta(extra={"secret": True})
"""Marks a setting whose value is never shown."""


class SettingsError(ValueError):
    """A setting has a value the service cannot run with; ``str()`` of it is the one line to show."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings, their defaults and what each is for.

    A field ``name`` is the environment variable ``SIGNALING_NAME``, but for ``port``, which is ``PORT``.
    """

    port: Annotated[
        int,
        Meta(ge=0, le=65_535),
        Meta(description="The TCP port to listen on; 0 lets the system choose a free one."),
    ] = 8443
    bind: Annotated[
        str,
        Meta(description="The address to listen on, or `unix:` and a path; empty for every IPv4 and IPv6 address."),
    ] = ""
    tls_cert: Annotated[
        str,
        Meta(description="Path of the certificate chain in PEM; without it and the key the service speaks plain HTTP."),
    ] = ""
    tls_key: Annotated[str, Meta(description="Path of the certificate's private key in PEM, not encrypted.")] = ""
    tls_reload_interval: Annotated[
        Seconds, Meta(description="Seconds between two looks at the certificate's files for a renewal.")
    ] = 10.0
    handshake_timeout: Annotated[
        Seconds,
        Meta(description="Seconds a client may take for its TLS handshake, and again for the head of a request."),
    ] = 10.0
    max_connections: Annotated[
        Count, Meta(description="WebSockets a worker holds at the most; the next one is refused with 503.")
    ] = 10_000
    max_message_bytes: Annotated[
        Annotated[int, Meta(ge=1_024, le=16_777_216)],
        Meta(description="Bytes of one message at the most; a longer one closes its connection with 1009."),
    ] = 65_536
    send_buffer_bytes: Annotated[
        Annotated[int, Meta(ge=65_536, le=1_073_741_824)],
        Meta(description="Bytes kept for a client that reads slowly; over it the client is dropped."),
    ] = 1_048_576
    ping_interval: Annotated[Seconds, Meta(description="Seconds between two WebSocket pings to a client.")] = 25.0
    ping_timeout: Annotated[
        Seconds, Meta(description="Seconds a pinged client may stay silent before it is closed with 4008.")
    ] = 20.0
    close_timeout: Annotated[
        Seconds, Meta(description="Seconds a client may take to answer a close frame before its TCP connection ends.")
    ] = 1.0
    stun_urls: Annotated[
        tuple[StunUrl, ...],
        Meta(description="STUN servers to tell clients of, as `stun:` or `stuns:` URLs with commas or spaces between."),
    ] = ()
    turn_urls: Annotated[
        tuple[TurnUrl, ...],
        Meta(description="TURN servers to tell clients of, as `turn:` or `turns:` URLs with commas or spaces between."),
    ] = ()
    turn_secret: Annotated[
        str,
        SECRET,
        Meta(description="The secret shared with the TURN servers, coturn's `static-auth-secret`; it is never shown."),
    ] = ""
    turn_ttl: Annotated[Seconds, Meta(description="Seconds that TURN credentials are good for.")] = 86_400.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severe level that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], Meta(description="Log lines as text, or one JSON object a line.")
    ] = "text"

    def __post_init__(self) -> None:
        if bool(self.turn_urls) != bool(self.turn_secret):
            missing = "SIGNALING_TURN_SECRET" if self.turn_urls else "SIGNALING_TURN_URLS"
            raise SettingsError(f"{missing} is not set: TURN needs both SIGNALING_TURN_URLS and SIGNALING_TURN_SECRET")

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in msgspec.structs.fields(self)
            if not _is_secret(field)
        )
        return f"Settings({', '.join(shown)})"

    @classmethod
    def load(cls, environ: Mapping[str, Any]) -> Settings:
        """Read the settings from ``environ``: ``os.environ``, or a Flask config of the same names.

        Text is converted as Flask's ``from_prefixed_env`` would.

        Raises:
            SettingsError: naming the variable, its value unless it is a secret, and what would be right.
        """
        values = {}
        for field in msgspec.structs.fields(cls):
            variable = variable_name(field.name)
            if variable in environ:
                values[field.name] = _convert(variable, environ[variable], field)
        return cls(**values)


def misspelled(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return each name with our prefix that is no setting, and the setting whose name is nearest."""
    known = [variable_name(name) for name in Settings.__struct_fields__]
    return [
        (name, difflib.get_close_matches(name, known, n=1, cutoff=0)[0])
        for name in environ
        if name.startswith(PREFIX) and name not in known
    ]


def variable_name(field: str) -> str:
    """Return the environment variable of a field of :class:`Settings`."""
    return "PORT" if field == "port" else PREFIX + field.upper()


def _convert(variable: str, value: Any, field: msgspec.structs.FieldInfo) -> Any:
    kind = msgspec.inspect.type_info(field.type)
    lists = isinstance(field.default, tuple)
    items = [item for item in re.split(r"[,\s]+", value) if item] if lists and isinstance(value, str) else value
    try:
        return msgspec.convert(items, field.type, strict=False)
    except msgspec.ValidationError:
        given = "" if _is_secret(field) else f"={value!r}"
        default = "" if lists else field.default
        raise SettingsError(
            f"{variable}{given} is not usable: it must be {expected(kind)} (default {default!r})"
        ) from None


def _is_secret(field: msgspec.structs.FieldInfo) -> bool:
    return SECRET in get_args(field.type)


def expected(kind: msgspec.inspect.Type) -> str:
    """Say what a value of this type must be, in words that go on from "it must be"."""
    match kind:
        case msgspec.inspect.Metadata(extra_json_schema={"title": title, "examples": [example]}):
            return f"{title} such as {example}"
        case msgspec.inspect.Metadata(type=inner) | msgspec.inspect.VarTupleType(item_type=inner):
            return expected(inner)
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.FloatType(gt=low, le=high):
            return f"a number over {low} and at most {high}"
        case msgspec.inspect.LiteralType(values=values):
            return "one of " + ", ".join(map(str, values))
    return "text"
