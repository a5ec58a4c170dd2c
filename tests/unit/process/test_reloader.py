"""Files that are replaced at every wrong moment: the newest whole ones are used in the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from signaling.process import reloader
from signaling.process.reloader import MAX_FILE_BYTES, Reloader, read_file
from signaling.security.keys import Keys
from signaling.transport import tls
from tests.certificates import make_certificate
from tests.waiting import TIMEOUT


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reloader, "RETRY_SECONDS", 0.0)


class Pair:
    """Two files that belong together, and something that happens in the middle of each reading of them."""

    def __init__(self, folder: Path) -> None:
        self.paths = (str(folder / "a"), str(folder / "b"))
        self.meanwhile: Callable[[], None] = lambda: None
        self.write("1")

    def write(self, text: str) -> None:
        for path in self.paths:
            Path(path).write_text(text)

    def load(self) -> str:
        first = read_file(self.paths[0]).decode()
        self.meanwhile()
        second = read_file(self.paths[1]).decode()
        if first != second:
            raise ValueError("they do not match")
        return first


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_what_did_not_change_is_not_read_again(pair: Pair):
    loaded = Reloader(pair.paths, pair.load)
    pair.meanwhile = lambda: pytest.fail("it was read")
    assert not loaded.refresh()


@pytest.mark.parametrize("how", ["in place", "renamed", "unlinked and linked", "of the same size and time"])
def test_each_way_to_replace_a_file_is_seen(pair: Pair, how: str):
    loaded = Reloader(pair.paths, pair.load)
    for path in map(Path, pair.paths):
        before = path.stat()
        if how == "renamed":
            path.with_suffix(".new").write_text("2")
            path.with_suffix(".new").rename(path)
        elif how == "unlinked and linked":
            path.with_suffix(".new").write_text("2")
            path.unlink()
            path.hardlink_to(path.with_suffix(".new"))
        else:
            path.write_text("2")
        if how == "of the same size and time":
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert loaded.refresh()
    assert (loaded.value, loaded.error) == ("2", None)
    assert not loaded.refresh()


def test_a_change_in_the_middle_of_reading_is_taken_up_at_the_next_look(pair: Pair):
    loaded = Reloader(pair.paths, pair.load)
    pair.write("2")
    pair.meanwhile = lambda: pair.write("3")
    loaded.refresh()
    pair.meanwhile = lambda: None
    loaded.refresh()
    assert (loaded.value, loaded.error) == ("3", None)


def test_files_that_change_behind_their_reading_are_read_again(pair: Pair):
    """The value that was made was whole, and is old already."""
    loaded = Reloader(pair.paths, pair.load)
    pair.write("2")
    real = loaded._hash_contents

    def late() -> bytes:
        found = real()
        pair.write("3")
        return found

    loaded._hash_contents = late
    loaded.refresh()
    loaded._hash_contents = real
    assert loaded.refresh()
    assert loaded.value == "3"


@pytest.mark.parametrize("passing", [FileNotFoundError, OSError, MemoryError, RuntimeError, ImportError])
def test_a_passing_error_passes_though_no_file_changes(pair: Pair, passing: type[Exception]):
    loaded = Reloader(pair.paths, pair.load)
    pair.write("2")

    def fail() -> None:
        raise passing("no file descriptors left")

    pair.meanwhile = fail
    assert loaded.refresh(), "it is told once"
    assert not loaded.refresh()
    assert (loaded.value, type(loaded.error)) == ("1", passing)
    pair.meanwhile = lambda: None
    assert loaded.refresh()
    assert (loaded.value, loaded.error) == ("2", None)


def test_the_old_files_that_come_back_end_the_error(pair: Pair):
    loaded = Reloader(pair.paths, pair.load)
    Path(pair.paths[0]).write_text("2")
    assert loaded.refresh()
    assert loaded.error is not None
    pair.write("1")
    assert loaded.refresh()
    assert (loaded.value, loaded.error) == ("1", None)


def test_a_new_time_is_no_news(pair: Pair):
    loaded = Reloader(pair.paths, pair.load)
    for path in pair.paths:
        os.utime(path)
    assert not loaded.refresh()


def test_files_that_are_being_replaced_at_the_start_are_waited_for(pair: Pair, monkeypatch: pytest.MonkeyPatch):
    Path(pair.paths[1]).unlink()
    monkeypatch.setattr(reloader.time, "sleep", lambda _: pair.write("2"))
    assert Reloader(pair.paths, pair.load).value == "2"


def test_files_that_are_missing_at_the_start_are_an_error(pair: Pair):
    Path(pair.paths[1]).unlink()
    with pytest.raises(FileNotFoundError):
        Reloader(pair.paths, pair.load)


def test_files_that_never_keep_still_are_read_again(pair: Pair):
    number = iter(range(10_000))
    loaded = Reloader(pair.paths, lambda: pair.write(str(next(number))) or "value")
    assert loaded.value == "value"
    loaded._load = pair.load
    loaded.refresh()
    assert loaded.value == read_file(pair.paths[0]).decode()


def test_a_certificate_whose_file_goes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Between the look and OpenSSL: what raised FileNotFoundError, and ended the watch for good."""
    old, new = make_certificate(tmp_path / "old.crt"), make_certificate(tmp_path / "new.crt", days=90)
    certificate = tls.ReloadingContext(str(old), str(old.with_suffix(".key")))
    before = certificate.status
    real = tls.read_file

    def unlink_behind(path: str) -> bytes:
        found = real(path)
        Path(path).unlink()
        return found

    monkeypatch.setattr(tls, "read_file", unlink_behind)
    old.write_bytes(old.read_bytes() + b"\n")
    certificate.refresh()
    assert certificate.status == (before.not_after, True)
    monkeypatch.setattr(tls, "read_file", real)
    old.with_suffix(".key").hardlink_to(new.with_suffix(".key"))
    certificate.refresh()
    old.hardlink_to(new)
    certificate.refresh()
    assert certificate.status == tls.ReloadingContext(str(new), str(new.with_suffix(".key"))).status


def test_renewals_by_unlink_and_link_are_all_taken_up(tmp_path: Path):
    """Somebody replaces the pair without a pause, while another one looks without a pause."""
    pairs = [make_certificate(tmp_path / f"{number}.crt", days=30 + number) for number in range(3)]
    cert = tmp_path / "live.crt"
    for suffix in (".crt", ".key"):
        cert.with_suffix(suffix).hardlink_to(pairs[0].with_suffix(suffix))
    certificate = tls.ReloadingContext(str(cert), str(cert.with_suffix(".key")))
    done = threading.Event()

    def replace() -> None:
        for number in range(300):
            for suffix in (".crt", ".key"):
                cert.with_suffix(suffix).unlink()
                cert.with_suffix(suffix).hardlink_to(pairs[number % 3].with_suffix(suffix))
        done.set()

    writer = threading.Thread(target=replace)
    writer.start()
    while not done.is_set():
        certificate.refresh()
    writer.join()
    certificate.refresh()
    assert certificate.status == tls.ReloadingContext(str(pairs[2]), str(pairs[2].with_suffix(".key"))).status


def test_keys_whose_file_goes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "secret"
    path.write_text("1" * 32)
    keys = Keys(str(path))
    monkeypatch.setattr("signaling.security.keys.LOOK_SECONDS", 0.0)
    path.unlink()
    for error in (MemoryError, OSError):
        with monkeypatch.context() as patch:
            patch.setattr(
                "signaling.security.keys.parse", lambda _, error=error: (_ for _ in ()).throw(error("passing"))
            )
            path.write_text("2" * 32)
            assert keys.find(None).material == b"1" * 32
    assert keys.find(None).material == b"2" * 32


@pytest.mark.timeout(TIMEOUT)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "huge", "missing", "nul"])
def test_what_is_no_file_to_read_is_an_error_and_no_wait(tmp_path: Path, kind: str):
    path = str(tmp_path / kind)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "device":
        path = "/dev/zero"
    elif kind == "huge":
        Path(path).write_bytes(bytes(MAX_FILE_BYTES + 1))
    elif kind == "nul":
        path = "a\0b"
    with pytest.raises(OSError, match=r"\w") as error:
        read_file(path)
    assert error.value.strerror
