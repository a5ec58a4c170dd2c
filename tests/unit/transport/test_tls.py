"""The certificate: when it ends, what is said of that, and whether the newest pair was refused."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path

import pytest

from signaling.transport import tls
from tests.certificates import make_certificate

DAY = 86_400


def pair(cert: Path) -> tls.ReloadingContext:
    return tls.ReloadingContext(str(cert), str(cert.with_suffix(".key")))


def test_it_knows_when_it_ends(tmp_path: Path):
    status = pair(make_certificate(tmp_path / "a.crt", days=90)).status
    assert status.not_after == pytest.approx(time.time() + 90 * DAY, abs=60)
    assert not status.refused


def test_without_tls_there_is_nothing_to_end():
    assert tls.status() == (None, False)


def test_a_broken_renewal_is_refused_until_a_whole_one_comes(tmp_path: Path):
    cert = make_certificate(tmp_path / "a.crt", days=5)
    certificate = pair(cert)
    before = certificate.status

    key = cert.with_suffix(".key").read_text()
    cert.with_suffix(".key").write_text("broken")
    certificate.refresh()
    assert certificate.status == (before.not_after, True), "the old one is served"

    cert.with_suffix(".key").write_text(key)
    certificate.refresh()
    assert certificate.status == before

    renewed = make_certificate(tmp_path / "b.crt", days=90)
    shutil.copy(renewed.with_suffix(".key"), cert.with_suffix(".key"))
    shutil.copy(renewed, cert)
    certificate.refresh()
    assert certificate.status == pair(renewed).status


def test_of_a_chain_the_first_is_the_one(tmp_path: Path):
    leaf, authority = make_certificate(tmp_path / "a.crt", days=5), make_certificate(tmp_path / "b.crt", days=900)
    alone = pair(leaf).status
    leaf.write_text(leaf.read_text() + authority.read_text())
    assert pair(leaf).status == alone


def test_its_end_is_told_once_a_day_from_14_days_on(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    cert = make_certificate(tmp_path / "a.crt", days=20)
    certificate = pair(cert)
    end = certificate.status.not_after
    assert end

    def told(days_left: float) -> list[tuple[str, str]]:
        caplog.clear()
        certificate.remind(end - days_left * DAY)
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    assert told(20) == told(14.1) == []
    assert told(13.9) == [("WARNING", f"The certificate ends in 13 days: {cert}")]
    assert told(13.1) == []
    assert told(12.9) == [("WARNING", f"The certificate ends in 12 days: {cert}")]
    assert told(1.5) == [("WARNING", f"The certificate ends in 1 day: {cert}")]
    assert told(0.9) == [("WARNING", f"The certificate ends in less than a day: {cert}")]
    ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    over = ("ERROR", f"The certificate ended at {ended}, clients refuse it: {cert}")
    assert told(-0.1) == [over]
    assert told(-0.9) == []
    assert told(-1.1) == [over]


def test_what_python_cannot_read_but_openssl_can_is_served_without_a_date(tmp_path: Path, caplog):
    cert = make_certificate(tmp_path / "a.crt", days=1)
    cert.write_text(cert.read_text().replace("CERTIFICATE", "TRUSTED CERTIFICATE"))
    with caplog.at_level(logging.WARNING):
        certificate = pair(cert)
        certificate.remind(time.time())
    assert certificate.status == (None, False)
    assert not caplog.records
