"""The functions that an app gives. One knows the user of a request, the other decides about a call of two users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from ..protocol.messages import ID_MAX_CHARACTERS, User

UserLoader = Callable[[], Any]
"""Returns the id of the user of this request, or None if nobody is logged in."""

Authorizer = Callable[[str, str], Any]
"""Returns whether a user may call a peer."""

# A decorated function keeps its own type.
UserLoaderT = TypeVar("UserLoaderT", bound=UserLoader)
AuthorizerT = TypeVar("AuthorizerT", bound=Authorizer)


@dataclass(eq=False)
class AppCallbacks:
    """The functions that an app has given, as far as it has."""

    load_user: UserLoader | None = None
    authorize: Authorizer | None = None


def as_user(value: object) -> User | None:
    """Return the user of a loader's answer; None, ``False`` and an empty text are nobody.

    Raises:
        TypeError: the answer is no id.
        ValueError: it is too long, or no text for JSON.
    """
    if value is None or value is False or value == "":
        return None
    # Any other object has a text too, such as a user object whose text names its address in memory.
    if isinstance(value, bool) or not isinstance(value, str | int | UUID):
        raise TypeError(f"the user_loader returned {type(value).__name__}; return a str, an int or None")
    key = str(value)
    if len(key) > ID_MAX_CHARACTERS:
        raise ValueError(f"the user_loader returned an id of {len(key)} characters; at most {ID_MAX_CHARACTERS} work")
    # As a client would write it: an integer stays one.
    return User(key, msgspec.json.encode(value if isinstance(value, int) else key))
