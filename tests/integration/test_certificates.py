"""A certificate that changes on disk is taken up without a restart, under an open call."""

from __future__ import annotations

import shutil
import socket
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.certificates import make_certificate
from tests.driver import Server, meet
from tests.waiting import TIMEOUT


def replace(old: Path, new: Path, *, key: bool = True) -> None:
    """Put the pair `new` in the place of `old` by renaming, as a renewal does."""
    for suffix in [".crt", *([".key"] if key else [])]:
        shutil.copy(new.with_suffix(suffix), old.with_suffix(".new"))
        old.with_suffix(".new").rename(old.with_suffix(suffix))


def served(server: Server) -> int:
    """The serial number of the certificate that a new handshake gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("localhost", server.port), TIMEOUT) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        certificate = tls.getpeercert(binary_form=True)
        assert certificate
        return x509.load_der_x509_certificate(certificate).serial_number


def serial(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def test_a_renewal_is_taken_up_and_a_broken_one_is_not(tmp_path: Path):
    current = make_certificate(tmp_path / "current.crt")
    renewed, other = make_certificate(tmp_path / "renewed.crt"), make_certificate(tmp_path / "other.crt")
    with Server(current, SIGNALING_TLS_RELOAD_INTERVAL="0.1") as server:
        alice, bob = meet(server)
        with alice, bob:

            def call_goes_on() -> bool:
                alice.send(type="message", data="still here")
                return bob.receive()["data"] == "still here"

            assert served(server) == serial(current)
            first = serial(current)
            replace(current, renewed)
            server.wait_for_log("A new certificate is used from now on")
            assert served(server) == serial(renewed) != first
            assert call_goes_on()

            since = len(server.log)
            replace(current, other, key=False)
            assert server.wait_for_log("The new certificate is not used, the old one stays", since).endswith(
                f"{current.with_suffix('.key')} is not the key of {current}"
            )
            assert served(server) == serial(renewed)
            assert call_goes_on()

            since = len(server.log)
            current.write_text("broken")
            server.wait_for_log("are not a certificate and its unencrypted key in PEM", since)
            assert served(server) == serial(renewed)

            since = len(server.log)
            current.with_suffix(".key").unlink()
            server.wait_for_log("cannot be read: No such file or directory", since)
            assert served(server) == serial(renewed)
            assert call_goes_on()

            since = len(server.log)
            replace(current, other)
            server.wait_for_log("A new certificate is used from now on", since)
            assert served(server) == serial(other)
            assert call_goes_on()


def test_a_certificate_that_ends_soon_is_warned_of_until_its_renewal_is_there(tmp_path: Path):
    current, renewed = make_certificate(tmp_path / "current.crt", days=13.5), make_certificate(tmp_path / "new.crt")
    with Server(current, SIGNALING_TLS_RELOAD_INTERVAL="0.1") as server:
        assert server.wait_for_log("The certificate ends").endswith(
            f"WARNING The certificate ends in 13 days: {current}"
        )
        replace(current, renewed)
        server.wait_for_log("A new certificate is used from now on")
        ending = make_certificate(tmp_path / "ending.crt", days=0.5)
        since = len(server.log)
        replace(current, ending)
        server.wait_for_log("WARNING The certificate ends in less than a day", since)
    assert len([line for line in server.log if "The certificate ends" in line]) == 2, "once a day, not at each look"


def test_a_certificate_that_ended_is_an_error_in_the_log(tmp_path: Path):
    server = Server(make_certificate(tmp_path / "old.crt", days=-1))
    try:
        server.wait_for_log("ERROR The certificate ended at .*, clients refuse it")
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("version", "accepted"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_is_1_2_or_newer(server: Server, version: ssl.TLSVersion, accepted: bool):
    context = ssl.create_default_context(cafile=str(server.certificate))
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with socket.create_connection(("localhost", server.port), TIMEOUT) as plain:
        if not accepted:
            with pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(plain, server_hostname="localhost")
        else:
            with context.wrap_socket(plain, server_hostname="localhost") as tls:
                assert tls.version() == version.name.replace("_", ".")


def chosen(server: Server, ciphers: str) -> str:
    """Return the cipher of a TLS 1.2 connection for which a client offers `ciphers`, the one it likes best first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(ciphers)
    with socket.create_connection(("localhost", server.port), TIMEOUT) as plain, context.wrap_socket(plain) as tls:
        cipher = tls.cipher()
        assert cipher is not None
        return cipher[0]


@pytest.mark.parametrize("best", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305"])
def test_the_client_chooses_among_the_good_ciphers(server: Server, best: str):
    """Browsers know what is fast on their device. It is good for the server too."""
    offered = f"ECDHE-ECDSA-{best}:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"
    assert chosen(server, offered) == f"ECDHE-ECDSA-{best}"


def test_a_cipher_without_authenticated_encryption_is_refused(server: Server):
    with pytest.raises(ssl.SSLError):
        chosen(server, "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384")
