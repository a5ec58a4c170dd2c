"""Values that are read from files, and reloaded when the files change."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

MAX_FILE_BYTES = 1_048_576
"""The limit of a file of keys or certificates."""

MAX_ATTEMPTS = 10
"""Attempts to read files at the start while they keep changing."""

RETRY_SECONDS = 0.1
"""Seconds between two of these attempts."""

# Windows has only the third of these flags, and needs it.
_READ_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


class _Stamp(NamedTuple):
    """Metadata of a file that differs after every change."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


class Reloader(Generic[T]):
    """A value that is loaded from files, such as a certificate and its key.

    A load counts only if it succeeds and the files are the same before and after it. Until then the old value stays,
    and every :meth:`refresh` tries again. So neither half a change nor a temporary error is final.

    Attributes:
        value: the value of the last load that counted.
        error: the error of the current files, None if the value is theirs.
    """

    def __init__(self, paths: tuple[str, ...], load: Callable[[], T]) -> None:
        """Load the value of ``paths`` with ``load``. While the files keep changing, retry for about a second.

        Raises:
            Exception: ``load`` raised it.
        """
        self._paths = paths
        self._load = load
        self.error: Exception | None = None
        previous: tuple[_Stamp | None, ...] | None = None
        for attempts_left in reversed(range(MAX_ATTEMPTS if paths else 1)):
            before = self._stamps()
            try:
                self.value = load()
                self._digest = self._hash_contents()
            except Exception:
                # An error that repeats with unchanged files is not temporary.
                if not attempts_left or before == previous:
                    raise
            else:
                if self._stamps() == before:
                    break
            previous = before
            time.sleep(RETRY_SECONDS)
        # None if the files never stopped changing: the next refresh reads them again.
        self._loaded = before if self._stamps() == before else None

    def refresh(self) -> bool:
        """Reload the files if they changed; return whether there is a new value or a new error."""
        before = self._stamps()
        if before == self._loaded:
            return False
        old_error = self.error
        try:
            value = self._load()
            digest = self._hash_contents()
        # After any error the old value is still good.
        except Exception as error:
            self.error = error
            self._loaded = None
            return (type(error), str(error)) != (type(old_error), str(old_error))
        if self._stamps() != before:
            # They are being replaced.
            return False
        # A new time or owner alone is no change.
        changed = old_error is not None or digest != self._digest
        self.value, self.error, self._digest, self._loaded = value, None, digest, before
        return changed

    def _stamps(self) -> tuple[_Stamp | None, ...]:
        return tuple(map(_stamp, self._paths))

    def _hash_contents(self) -> bytes:
        return hashlib.sha256(b"".join(hashlib.sha256(read_file(path)).digest() for path in self._paths)).digest()


def describe(error: Exception) -> str:
    """Return ``error`` in one line; an unexpected error, which is not a ValueError, has its type before it."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def read_file(path: str) -> bytes:
    """Return the contents of a regular file. Does not wait for the other end of a pipe.

    Raises:
        OSError: the file cannot be read, is not a regular file, or is longer than :data:`MAX_FILE_BYTES`.
    """
    try:
        descriptor = os.open(path, _READ_FLAGS)
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
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return _Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
