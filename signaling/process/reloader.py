"""What is read from files, and read again when they change."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

MAX_FILE_BYTES = 1_048_576
"""The most that a file of keys or certificates may have."""

MAX_ATTEMPTS = 10
"""How often files are read at the start while they keep changing."""

RETRY_SECONDS = 0.1
"""The pause between two of these attempts."""


class _Stamp(NamedTuple):
    """What changes with every change of a file."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class Reloader(Generic[T]):
    """A value that is made of the contents of files, such as a certificate and its key.

    The files count as read only when they were the same before and after it, and the value could be made. Until then
    the old value stays, and every :meth:`refresh` tries again: neither half a change nor a passing error is final.

    Attributes:
        value: what was made of the files the last time that they were whole.
        error: why the files as they are now are not used; None if they are.
    """

    def __init__(self, paths: tuple[str, ...], load: Callable[[], T]) -> None:
        """Read ``paths``, by calling ``load``. Waits while they are being replaced, for about a second at the most.

        Raises:
            Exception: what ``load`` raises.
        """
        self._paths = paths
        self._load = load
        self.error: Exception | None = None
        tried: tuple[_Stamp | None, ...] | None = None
        for left in reversed(range(MAX_ATTEMPTS if paths else 1)):
            before = self._stamps()
            try:
                self.value = load()
                self._digest = self._contents()
            except Exception:
                # The same error for the same files is not a passing one.
                if not left or before == tried:
                    raise
            else:
                if self._stamps() == before:
                    break
            tried = before
            time.sleep(RETRY_SECONDS)
        # None if they never kept still: the next look reads them again.
        self._used = before if self._stamps() == before else None

    def refresh(self) -> bool:
        """Read the files again if they changed, and tell if there is news: a new value, or a new error."""
        before = self._stamps()
        if before == self._used:
            return False
        told = self.error
        try:
            value = self._load()
            digest = self._contents()
        # Whatever it is, the value of before is still good.
        except Exception as error:
            self.error = error
            self._used = None
            return (type(error), str(error)) != (type(told), str(told))
        if self._stamps() != before:
            # They are being replaced.
            return False
        # A new time or owner alone is no news.
        news = told is not None or digest != self._digest
        self.value, self.error, self._digest, self._used = value, None, digest, before
        return news

    def _stamps(self) -> tuple[_Stamp | None, ...]:
        return tuple(map(_stamp, self._paths))

    def _contents(self) -> bytes:
        return hashlib.sha256(b"".join(hashlib.sha256(read_file(path)).digest() for path in self._paths)).digest()


def describe(error: Exception) -> str:
    """Return what is wrong in one line; an error that nobody foresaw with its type."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def read_file(path: str) -> bytes:
    """Return what is in a regular file. Does not wait, as for the other end of a pipe.

    Raises:
        OSError: it cannot be read, is no regular file, or is longer than :data:`MAX_FILE_BYTES`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except ValueError:
        raise OSError(0, "Its name has a NUL character") from None
    with os.fdopen(descriptor, "rb") as file:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise OSError(0, "Is a directory")
        if not stat.S_ISREG(mode):
            raise OSError(0, "Not a regular file")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise OSError(0, f"Longer than {MAX_FILE_BYTES} bytes")
    return data


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
