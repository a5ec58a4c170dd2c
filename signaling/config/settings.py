"""Every setting of the server, read once from the environment into one frozen object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from . import service_secret
from .checks import check_length, check_needs_key, check_networks, check_redis, check_webhook, metrics_address
from .connection_settings import ConnectionSettings
from .env import SECRET, check_both, is_secret, load
from .env import SettingsError as SettingsError
from .fallbacks import SUFFIX
from .types import Count, Network, Origin, Rate, RedisPrefix, Release, Seconds, StunUrl, TurnUrl, WebhookUrl


class Settings(ConnectionSettings, frozen=True, kw_only=True):
    """The settings, their defaults and their descriptions.

    The environment variable of a field ``name`` is ``SIGNALING_NAME``, except for ``port``, which is ``PORT``.
    """

    jwt_key: Annotated[
        str,
        SECRET,
        Meta(
            description="The key that verifies tokens, which turns authentication on: a secret of 32 bytes or more, a "
            "public key in PEM, a JWKS, or the path of a file with one of them; it is never shown."
        ),
    ] = ""
    jwt_audience: Annotated[str, Meta(description="The audience (`aud`) that a token must have; empty for any.")] = ""
    jwt_issuer: Annotated[str, Meta(description="The issuer (`iss`) that a token must have; empty for any.")] = ""
    jwt_leeway: Annotated[
        Annotated[float, Meta(ge=0, le=3_600)],
        Meta(description="Seconds by which the clock of the issuer of tokens may differ from this one."),
    ] = 10.0
    resume_secret: Annotated[
        str,
        SECRET,
        Meta(
            description="The secret that signs resume tickets, of 32 bytes or more, the same on all hosts; empty for a "
            "key that is derived from the secret of `SIGNALING_JWT_KEY`, or else a new one at each start."
        ),
    ] = ""
    allowed_origins: Annotated[
        tuple[Origin, ...],
        Meta(
            description="Origins whose pages may connect, separated by commas or spaces, `*.` for any subdomain; the "
            "server's own origin is always allowed; empty for every origin."
        ),
    ] = ()
    allow_missing_origin: Annotated[
        bool,
        Meta(description="Whether a client that sends no `Origin`, such as a native app, may connect."),
    ] = True
    message_rate: Annotated[
        Rate,
        Meta(
            description="Messages a second that a connection may send for long; messages over it are dropped, and a "
            "client that continues is closed with 1008; 0 for no limit."
        ),
    ] = 100.0
    message_burst: Annotated[
        Count, Meta(description="Messages that a connection may send at once, before the rate applies.")
    ] = 200
    join_rate: Annotated[
        Rate, Meta(description="Joins a minute of a connection, and as many at once; 0 for no limit.")
    ] = 60.0
    connections_per_ip: Annotated[
        Annotated[int, Meta(ge=0, le=1_000_000)],
        Meta(
            description="WebSockets that an address may have open; an IPv6 network of 64 bits counts as one address; 0 "
            "for no limit."
        ),
    ] = 0
    connection_rate: Annotated[
        Rate, Meta(description="New WebSockets a second that an address may open for long; 0 for no limit.")
    ] = 0.0
    connection_burst: Annotated[
        Count, Meta(description="New WebSockets that an address may open at once, before the rate applies.")
    ] = 50
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Meta(
            description="Addresses or networks of the proxies whose `X-Forwarded-For` is trusted, separated by commas "
            "or spaces; `unix` for a proxy that connects to a Unix socket."
        ),
    ] = ()
    stun_urls: Annotated[
        tuple[StunUrl, ...],
        Meta(description="STUN servers for clients, as `stun:` or `stuns:` URLs, separated by commas or spaces."),
    ] = ()
    turn_urls: Annotated[
        tuple[TurnUrl, ...],
        Meta(description="TURN servers for clients, as `turn:` or `turns:` URLs, separated by commas or spaces."),
    ] = ()
    turn_secret: Annotated[
        str,
        SECRET,
        Meta(description="The secret shared with the TURN servers, coturn's `static-auth-secret`; it is never shown."),
    ] = ""
    turn_ttl: Annotated[Seconds, Meta(description="Seconds that TURN credentials are valid.")] = 86_400.0
    turn_check_interval: Annotated[
        Annotated[float, Meta(ge=0, le=86_400)],
        Meta(description="Seconds between two checks of the TURN servers, which ask each for a relay; 0 for none."),
    ] = 0.0
    metrics_token: Annotated[
        str, SECRET, Meta(description="The bearer token for `/metrics`; empty turns `/metrics` off.")
    ] = ""
    metrics_bind: Annotated[
        str,
        Meta(
            description="A loopback address and port that serves `/metrics` without a token, such as `127.0.0.1:9101`; "
            "empty for none."
        ),
    ] = ""
    ops_token: Annotated[
        str, SECRET, Meta(description="The password of the operator's page `/ops`; empty turns the page off.")
    ] = ""
    ops_calls: Annotated[Count, Meta(description="Ended calls that `/ops` still shows.")] = 500
    api_token: Annotated[
        str, SECRET, Meta(description="The bearer token of the HTTP API below `/api`; empty turns the API off.")
    ] = ""
    service_secret: Annotated[
        str,
        SECRET,
        Meta(
            description="The secret of 32 bytes or more that the service shares with a Flask app that it runs beside; "
            "it stands for `SIGNALING_API_TOKEN`, `SIGNALING_JWT_KEY` and `SIGNALING_WEBHOOK_SECRET` where they are "
            "empty; it is never shown."
        ),
    ] = ""
    hash_ids: Annotated[
        bool,
        Meta(description="Whether user ids are hashed in the log and on `/ops`, without a salt."),
    ] = False
    privacy: Annotated[
        bool,
        Meta(
            description="Whether the log and `/ops` have salted hashes in place of user ids, and the log no addresses "
            "or texts of clients."
        ),
    ] = False
    privacy_salt: Annotated[
        str,
        SECRET,
        Meta(
            description="The salt of these hashes, of 32 bytes or more, the same on all hosts; empty for one that "
            "changes each day; it is never shown."
        ),
    ] = ""
    call_grace: Annotated[
        Annotated[float, Meta(ge=0, le=3_600)],
        Meta(description="Seconds within which a user may return to their call; after that, the call has ended."),
    ] = 20.0
    webhook_url: Annotated[
        WebhookUrl,
        Meta(
            description="The URL that gets a POST when a call starts or ends, and when a user waits for an absent "
            "peer, `https:` or `http:`; empty for none."
        ),
    ] = ""
    webhook_secret: Annotated[
        str,
        SECRET,
        Meta(description="The secret that signs the webhook, as Standard Webhooks defines it; it is never shown."),
    ] = ""
    webhook_timeout: Annotated[
        Seconds, Meta(description="Seconds that the receiver of the webhook may take to answer.")
    ] = 5.0
    webhook_queue: Annotated[
        Count, Meta(description="POSTs that wait for the receiver of the webhook; further ones are dropped.")
    ] = 1_000
    drain_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=3_600)],
        Meta(
            description="Seconds over which a worker that stops closes its connections; fewer if it has few clients, "
            "100 clients a second."
        ),
    ] = 5.0
    redis_url: Annotated[
        str,
        SECRET,
        Meta(
            description="The Redis that several workers or hosts share, such as `redis://localhost:6379/0`; empty for "
            "one worker with its rooms in memory; it is never shown."
        ),
    ] = ""
    redis_sentinel_password: Annotated[
        str, SECRET, Meta(description="The password of the Sentinels, if they need one; it is never shown.")
    ] = ""
    redis_ca: Annotated[str, Meta(description="Path of the certificates, in PEM, that verify a `rediss:` server.")] = ""
    redis_prefix: Annotated[RedisPrefix, Meta(description="The prefix of all keys and channels in Redis.")] = (
        "signaling"
    )
    redis_timeout: Annotated[
        Annotated[float, Meta(ge=0.01, le=60)],
        Meta(description="Seconds that Redis may take to answer; afterwards it counts as unreachable."),
    ] = 2.0
    redis_buffer_bytes: Annotated[
        Annotated[int, Meta(ge=1_048_576, le=1_073_741_824)],
        Meta(description="Bytes buffered for a slow Redis; from half of it on, nothing is forwarded to other workers."),
    ] = 8_388_608
    node_timeout: Annotated[
        Annotated[float, Meta(ge=1, le=3_600)],
        Meta(description="Seconds after which the users of a worker that died count as gone."),
    ] = 10.0
    hsts_max_age: Annotated[
        Annotated[int, Meta(ge=0, le=63_072_000)],
        Meta(description="Seconds for which browsers use only TLS with this host (HSTS), on every port; 0 for none."),
    ] = 0
    release: Annotated[
        Release, Meta(description="Your name for this release, which `/healthz` shows to operators.")
    ] = ""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severe level that is logged.")
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], Meta(description="Log lines as text, or one JSON object a line.")
    ] = "text"
    log_events: Annotated[
        Literal["all", "calls"],
        Meta(
            description="The events that are logged: `all` of connections and rooms, or one line at the end of each of "
            "the `calls`."
        ),
    ] = "all"
    log_priority: Annotated[
        Literal["auto", "always", "never"],
        Meta(
            description="Whether a log line begins with its priority for the journal, such as `<4>`; with `auto`, it "
            "does if standard error is the journal."
        ),
    ] = "auto"

    def __post_init__(self) -> None:
        self._derive_secrets()
        check_both("TURN", SIGNALING_TURN_URLS=self.turn_urls, SIGNALING_TURN_SECRET=self.turn_secret)
        # An app that runs beside the service has no webhook, and may have its secret.
        if self.webhook_url or not self.service_secret:
            check_webhook(self.webhook_url, self.webhook_secret)
        self.check_fallbacks(check_redis(self.redis_url, self.redis_sentinel_password))
        if not self.jwt_key:
            check_needs_key(
                SIGNALING_JWT_AUDIENCE=self.jwt_audience,
                SIGNALING_JWT_ISSUER=self.jwt_issuer,
                SIGNALING_RESUME_SECRET=self.resume_secret,
            )
        check_length("SIGNALING_PRIVACY_SALT", self.privacy_salt, service_secret.MIN_BYTES)
        if self.privacy_salt and not self.privacy:
            raise SettingsError("SIGNALING_PRIVACY_SALT has no effect without SIGNALING_PRIVACY; set it to true")
        check_networks(self.trusted_proxies)
        self.metrics_address  # noqa: B018 - it raises SettingsError

    def _derive_secrets(self) -> None:
        """Set the secrets that the shared one stands for, unless they are set themselves."""
        if not self.service_secret:
            return
        purposes = {"api_token": "api", "jwt_key": "jwt"} | ({"webhook_secret": "webhook"} if self.webhook_url else {})
        for field, purpose in purposes.items():
            if getattr(self, field):
                continue
            for end in ("", SUFFIX):
                shared, own = getattr(self, f"service_secret{end}"), getattr(self, field + end)
                # The only change of a frozen struct, before anybody can see it.
                force_setattr(self, field + end, own or (shared and service_secret.derive(shared, purpose)))

    @property
    def metrics_address(self) -> tuple[str, int] | None:
        """The address and port in ``metrics_bind``, None if it is empty."""
        return metrics_address(self.metrics_bind)

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in msgspec.structs.fields(self)
            if not is_secret(field)
        )
        return f"Settings({', '.join(shown)})"

    @classmethod
    def load(cls, environ: Mapping[str, Any]) -> Settings:
        """Read the settings from ``environ``: ``os.environ``, or a Flask config with the same names.

        Raises:
            SettingsError: a value cannot be used. The message names the variable, the value unless it is a secret, and
                what to write instead.
        """
        return load(cls, environ)
