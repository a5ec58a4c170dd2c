"""Only what is plainly a secret becomes one: a key of another kind never does, however it is written."""

from __future__ import annotations

import base64
import json
import secrets
import shlex
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from signaling.security import keys, plain_secret
from signaling.security.keys import UnusableKeyError
from tests.certificates import make_certificate

KEYS: dict[str, Any] = {
    "RSA": rsa.generate_private_key(65_537, 2_048),
    "short RSA": rsa.generate_private_key(65_537, 1_024),
    "DSA": dsa.generate_private_key(1_024),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "X25519": x25519.X25519PrivateKey.generate(),
}
CURVES = ("P-256", "P-384", "P-521", "secp256k1")
SSH = ("RSA", "P-256", "P-384", "P-521", "Ed25519")
SECRET = secrets.token_hex(32)


def public(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def private(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return key.private_bytes(Encoding.DER, form, NoEncryption())


def pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def jwk(name: str) -> dict[str, Any]:
    algorithm = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}.get(name, "EdDSA")
    return json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(KEYS[name].public_key()))


def forms() -> dict[str, bytes]:
    """Every key, public and private, in the forms that have no armour, and then as text of other sorts."""
    found: dict[str, bytes] = {}
    for name, key in KEYS.items():
        found[f"{name} SPKI"] = public(key)
        found[f"{name} PKCS#8"] = private(key)
        found[f"{name} PEM"] = pem(key).encode()
        found[f"{name} private PEM"] = private_pem(key).encode()
        found[f"{name} PEM in one line"] = pem(key).replace("\n", " ").encode()
    for name in CURVES:
        found[f"{name} SEC1"] = private(KEYS[name], PrivateFormat.TraditionalOpenSSL)
        point = KEYS[name].public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        found[f"{name} point"] = point
        found[f"{name} point without its first byte"] = point[1:]
    for name in ("RSA", "short RSA"):
        found[f"{name} PKCS#1"] = KEYS[name].public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    found["RSA modulus"] = KEYS["RSA"].public_key().public_numbers().n.to_bytes(256, "big")
    for name in SSH:
        line = KEYS[name].public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        found[f"{name} ssh"] = line
        found[f"{name} ssh wire"] = base64.b64decode(line.split()[1])
    for name in ("RSA", "P-256", "P-384", "P-521", "Ed25519", "Ed448"):
        found[f"{name} JWK"] = json.dumps(jwk(name)).encode()
        found[f"{name} JWKS"] = json.dumps({"keys": [jwk(name)]}).encode()
        found[f"{name} list of JWK"] = json.dumps([jwk(name)]).encode()
    return found


FORMS = forms()

b64 = base64.b64encode


def lines(data: bytes, end: str) -> str:
    text = b64(data).decode()
    return end.join(text[at : at + 64] for at in range(0, len(text), 64))


ENCODINGS: dict[str, Callable[[bytes], str]] = {
    "base64": lambda data: b64(data).decode(),
    "base64 without padding": lambda data: b64(data).decode().rstrip("="),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "url-safe without padding": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
    "in lines": lambda data: lines(data, "\n"),
    "in lines with their end written": lambda data: lines(data, "\\n"),
    "in lines with their end written twice": lambda data: lines(data, "\\\\r\\\\n"),
    "in words": lambda data: lines(data, " "),
    "dashes lost": lambda data: f"BEGIN PUBLIC KEY {b64(data).decode()} END PUBLIC KEY",
    "dashes and spaces lost": lambda data: f"BEGINPUBLICKEY{b64(data).decode()}ENDPUBLICKEY",
    "armour in one line": lambda data: f"-----BEGIN PUBLIC KEY-----{b64(data).decode()}-----END PUBLIC KEY-----",
    "four dashes": lambda data: f"----BEGIN PUBLIC KEY----\n{lines(data, chr(10))}\n----END PUBLIC KEY----",
    "quoted": lambda data: f'"{b64(data).decode()}"',
    "single quotes": lambda data: f"'{b64(data).decode()}'",
    "percent": lambda data: urllib.parse.quote(b64(data).decode(), safe=""),
    "named": lambda data: f"key={b64(data).decode()}",
    "after a colon": lambda data: f"jwt: {b64(data).decode()}",
    "prefix": lambda data: f"base64:{b64(data).decode()}",
    "hex": bytes.hex,
    "upper hex": lambda data: data.hex().upper(),
    "0x": lambda data: "0x" + data.hex(),
    "hex with colons": lambda data: data.hex(":"),
    "hex with spaces": lambda data: data.hex(" "),
    "base64 twice": lambda data: b64(b64(data)).decode(),
    "hex of base64": lambda data: b64(data).hex(),
    "base64 of hex": lambda data: b64(data.hex().encode()).decode(),
    "base32": lambda data: base64.b32encode(data).decode(),
    "cut off": lambda data: b64(data).decode()[:-6],
    "begin lost": lambda data: b64(data).decode()[1:],
}


def is_secret(text: str) -> bool:
    """Tell if anything of it becomes a secret, rather than a public key."""
    try:
        return any(isinstance(key.material, bytes) for key in keys.parse(text).keys)
    except UnusableKeyError:
        return False


def check(text: str) -> str:
    with pytest.raises(UnusableKeyError) as error:
        keys.parse(text)
    told = str(error.value)
    assert told.isprintable()
    assert not any(text[at : at + 12] in told for at in range(0, len(text), 12) if len(text[at : at + 12]) > 8)
    return told


@pytest.mark.parametrize("form", FORMS)
def test_a_key_of_another_kind_is_never_a_secret(form: str):
    for encoding, encode in ENCODINGS.items():
        # A point has no more structure than its bytes, so what has lost some of them is just bytes.
        if not ("point" in form and encoding in ("cut off", "begin lost")):
            assert not is_secret(encode(FORMS[form])), encoding


@pytest.mark.parametrize("form", [form for form in FORMS if form.endswith((" PEM", "JWK", "ssh"))])
def test_text_of_another_kind_is_never_a_secret_as_it_is(form: str):
    text = FORMS[form].decode()
    for variant in (
        text,
        text.replace("\n", " "),
        text.replace("\n", "\\n"),
        text.replace("\n", ""),
        shlex.quote(text),
    ):
        for written in (variant, f" {variant}", f"\ufeff{variant}", variant.replace("-----", "")):
            assert not is_secret(written)


@pytest.mark.parametrize("form", FORMS)
def test_nor_is_it_one_in_a_jwks(form: str):
    data = FORMS[form]
    encodings = () if "point" in form else ENCODINGS.values()
    for secret in (data, *(encode(data).encode() for encode in encodings)):
        k = base64.urlsafe_b64encode(secret).decode().rstrip("=")
        check(json.dumps({"keys": [{"kty": "oct", "k": k}]}))


@pytest.mark.parametrize("form", ["P-256 SPKI", "Ed25519 PKCS#8", "Ed25519 ssh wire", "P-256 JWK"])
@pytest.mark.parametrize("encoding", ["base64", "hex", "quoted", "in words", "dashes lost"])
def test_the_line_says_what_to_do_and_shows_nothing(form: str, encoding: str):
    told = check(ENCODINGS[encoding](FORMS[form]))
    assert "PEM" in told or "leave the quotes out" in told


def test_a_certificate_is_not_one(tmp_path: Path):
    text = make_certificate(tmp_path / "some.crt").read_text()
    body = "".join(text.split("-----")[2].split())
    for written in (text, body, text.replace("-----", ""), text.replace("\n", "\\n"), text.replace("\n", "")):
        check(written)


@pytest.mark.parametrize(
    "name",
    [
        "file:///etc/signaling/keys/jwt-public-key.pem",
        "file:/etc/signaling/keys/jwt-public-key.pem",
        "https://login.example.org/.well-known/jwks.json",
        "HTTPS://LOGIN.EXAMPLE.ORG/.WELL-KNOWN/JWKS.JSON",
        "http://login.example.org/realms/calls/protocol/openid-connect/certs",
        "vault://secret/data/signaling/production#public_key",
        "data:application/x-pem-file;base64,AAAAAAAAAAAAAAAAAAAAAA",
        "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        "~/.config/signaling/keys/production.pem",
        "~signaling/keys/the-production-key-of-calls",
        "config/production/keys/jwt-public-key.pem",
        "config\\production\\keys\\jwt-public-key.key",
        "C:\\ProgramData\\signaling\\keys\\production-key",
        "jwt-public-key-of-the-production-server.pub",
        "keys-of-the-login-server-of-example-org.json",
        "@/etc/signaling/keys/jwt-public-key.pem.2026",
        "$SIGNALING_JWT_KEY_OF_THE_PRODUCTION_SERVER",
        "${SIGNALING_JWT_KEY_OF_THE_PRODUCTION_SERVER}",
        "$(cat /etc/signaling/keys/jwt-public-key.2026)",
        "%SIGNALING_JWT_KEY_OF_THE_PRODUCTION_SERVER%",
        "$HOME/keys/the-public-key-of-the-login-server",
        "login.example.org/.well-known/keys-of-calls",
        "<the public key of the login server goes here>",
        "<RSAKeyValue><Modulus>AQAB</Modulus><Exponent>AQAB</Exponent></RSAKeyValue>",
        "/run/secrets/the_public_key_of_the_login_server",
        "./the_public_key_of_the_login_server.production",
        "{{ vault_signaling_jwt_key_of_production_server }}",
        "[the_public_key_of_the_login_server_of_production]",
    ],
)
def test_what_names_a_key_is_not_one(name: str):
    check(name)


def test_a_file_that_is_there_is_named_with_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    name = "the-key-of-the-login-server-of-production"
    assert keys.read(name)
    Path(name).write_text(SECRET)
    with pytest.raises(UnusableKeyError, match=r"write \./ before it"):
        keys.read(name)
    assert keys.read(f"./{name}")


@pytest.mark.parametrize(
    "text",
    [
        f"{SECRET}\n",
        f" {SECRET}",
        f"{SECRET} ",
        f"\ufeff{SECRET}",
        f'"{SECRET}"',
        f"'{SECRET}'",
        f"`{SECRET}`",
        f"\u201c{SECRET}\u201d",
        f"{SECRET}\x00",
        f"{SECRET}\u202e",
        f"{SECRET}\udc80",
        "\x00" * 32,
        " " * 32,
        SECRET * 5,
        "",
    ],
    # A secret is another one in each process of a run.
    ids=lambda text: ascii(text.replace(SECRET, "SECRET")),
)
def test_what_is_not_plainly_a_secret_is_not_one(text: str):
    check(text)


def test_a_token_is_not_the_key_that_it_is_checked_with():
    check(jwt.encode({"sub": "alice"}, SECRET))


def usable(text: str) -> None:
    [key] = keys.parse(text).keys
    assert key.material == text.encode()


@given(st.binary(min_size=32, max_size=180), st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
def test_random_bytes_in_base64_are_a_secret(data: bytes, encode: Callable[[bytes], bytes]):
    text = encode(secrets.token_bytes(len(data))).decode()
    if not text.startswith("/"):
        usable(text)
        usable(text.rstrip("="))


@pytest.mark.parametrize("size", [*range(32, 129), 256])
def test_random_letters_are_a_secret(size: int):
    usable(secrets.token_hex(size)[:size])
    usable(
        "".join(secrets.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") for _ in range(size))
    )


@pytest.mark.parametrize(
    "text",
    [
        "a secret of thirty-two bytes or more",
        "the secret of the tests has 64 bytes, so that HS512 is allowed..",
        "correct horse battery staple: one, two, three",
        "Geheim! Für Öffentlichkeit und Übermut ß 2026",
        "e3b0c442-98fc-4c14-9afb-f4c8996fb924-27ae41e4-649b-934c",
        "p/q/r/s/t/u/v/w/x/y/z/p/q/r/s/t/u/v/w/x/y/z",
        "sk_live_51H8cK2eZvKYlo2C0aBcDeFgHiJkLmNoPqRsTuVwXyZ",
        "x" * 256,
    ],
)
def test_a_plain_secret_is_one(text: str):
    usable(text)


@pytest.mark.parametrize("before", ["\ufeff", "Schl\u00fcssel:\n", "\x00", "\u00e9" * 30])
def test_a_key_behind_other_bytes_is_a_key(before: str):
    pem = (
        "-----BEGIN PUBLIC KEY-----\n"
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"
        "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n"
        "-----END PUBLIC KEY-----\n"
    )
    assert plain_secret.why_not(base64.b64encode((before + pem).encode()).decode()) is not None
