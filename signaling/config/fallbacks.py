"""The second values of secrets. While a secret changes, the old and the new one are both accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta

from . import service_secret
from .checks import check_length, check_signing_key
from .env import SECRET, SettingsError, variable_name

SUFFIX = "_fallback"
"""The end of the name of a second value."""


class Fallbacks(msgspec.Struct, frozen=True, kw_only=True):
    """The settings ``…_FALLBACK``. The server signs with the first value, and accepts either."""

    jwt_key_fallback: Annotated[
        str,
        SECRET,
        Meta(description="A second `SIGNALING_JWT_KEY` of any kind, whose tokens are accepted too; it is never shown."),
    ] = ""
    resume_secret_fallback: Annotated[
        str,
        SECRET,
        Meta(description="A second `SIGNALING_RESUME_SECRET`, whose tickets are accepted too; it is never shown."),
    ] = ""
    metrics_token_fallback: Annotated[
        str, SECRET, Meta(description="A second `SIGNALING_METRICS_TOKEN`, which is accepted too; it is never shown.")
    ] = ""
    ops_token_fallback: Annotated[
        str, SECRET, Meta(description="A second `SIGNALING_OPS_TOKEN`, which is accepted too; it is never shown.")
    ] = ""
    api_token_fallback: Annotated[
        str, SECRET, Meta(description="A second `SIGNALING_API_TOKEN`, which is accepted too; it is never shown.")
    ] = ""
    service_secret_fallback: Annotated[
        str,
        SECRET,
        Meta(
            description="A second `SIGNALING_SERVICE_SECRET`, for the second values of the settings that the first one "
            "stands for; it is never shown."
        ),
    ] = ""
    webhook_secret_fallback: Annotated[
        str,
        SECRET,
        Meta(description="A second `SIGNALING_WEBHOOK_SECRET`, which signs the webhook too; it is never shown."),
    ] = ""
    redis_password_fallback: Annotated[
        str,
        SECRET,
        Meta(
            description="A second password for Redis, tried if Redis refuses the one in `SIGNALING_REDIS_URL`; it is "
            "never shown."
        ),
    ] = ""
    redis_sentinel_password_fallback: Annotated[
        str,
        SECRET,
        Meta(
            description="A second `SIGNALING_REDIS_SENTINEL_PASSWORD`, tried if the Sentinels refuse the first; it is "
            "never shown."
        ),
    ] = ""

    def fallbacks(self) -> Iterator[tuple[str, str]]:
        """Yield the field of each second value that is set, and the field of the first one."""
        for field in Fallbacks.__struct_fields__:
            if getattr(self, field):
                yield field, field.removesuffix(SUFFIX)

    def check_fallbacks(self, redis_password: str) -> None:
        """Check that each second value belongs to a first one, is another one, and has the same form.

        Args:
            redis_password: the password in ``SIGNALING_REDIS_URL``.

        Raises:
            SettingsError: one does not.
        """
        for field, first in self.fallbacks():
            second, name = variable_name(field), _NAMES.get(first, variable_name(first))
            value = redis_password if first == "redis_password" else getattr(self, first)
            if not value:
                raise SettingsError(f"{second} is set, but {name} is not; write there the value that is used first")
            if value == getattr(self, field):
                raise SettingsError(f"{second} is the same as {name}; write the other value, or leave it empty")
        for field in ("resume_secret", "service_secret"):
            for name in (field, field + SUFFIX):
                check_length(variable_name(name), getattr(self, name), service_secret.MIN_BYTES)
        check_signing_key(variable_name("webhook_secret_fallback"), self.webhook_secret_fallback)


_NAMES = {"redis_password": "the password in SIGNALING_REDIS_URL"}
