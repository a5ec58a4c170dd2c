"""The keys that verify tokens: a secret, a public key in PEM, or a JWKS (RFC 7517), given directly or in a file.

The kind of a key decides which algorithms its tokens may use; the token does not (RFC 8725, section 3.1). So nobody
can pass off a public key as a secret.
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ..process.reloader import Reloader, describe, read_file
from . import plain_secret

log = logging.getLogger(__name__)

PATHS = ("/", "./", "../")
"""How the path of a file begins."""

KINDS = "it must be a key of RSA, P-256, P-384, P-521, Ed25519 or Ed448"

LOOK_SECONDS = 1.0
"""Seconds between two looks at the file."""

# The shortest secret of each algorithm, in bytes (RFC 7518, section 3.2).
_SECRETS = {"HS256": 32, "HS384": 48, "HS512": 64}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_RSA_BITS = 2_048
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class UnusableKeyError(ValueError):
    """A key is not usable. ``str()`` of it says why, and shows nothing of the key."""


class UnreadableKeyError(UnusableKeyError):
    """A file of keys cannot be read as text."""


class Key(NamedTuple):
    """A key, and the algorithms of its tokens."""

    material: Any
    """The bytes of a secret, or a public key of ``cryptography``."""
    algorithms: tuple[str, ...]
    """The first one is used to sign."""
    kid: str | None = None


class KeySet(NamedTuple):
    """The keys at one time."""

    keys: tuple[Key, ...]
    named: bool = False
    """Whether a token's ``kid`` selects the key."""

    def find(self, kid: str | None) -> Key | None:
        """Return the key of a token with this ``kid``, or None if there is none or more than one."""
        found = self.keys if kid is None or not self.named else [key for key in self.keys if key.kid == kid]
        return found[0] if len(found) == 1 else None


class Keys:
    """The keys of ``SIGNALING_JWT_KEY`` or its second value. If it names a file, changes of the file are noticed.

    A broken new file is logged once, and the old keys stay.

    Attributes:
        given: the setting: a key, or the path of a file.
    """

    def __init__(self, given: str) -> None:
        """Read the keys.

        Raises:
            UnusableKeyError: no key is usable.
        """
        self.given = given
        self._path = given if given.startswith(PATHS) else ""
        self._looked = time.monotonic()
        # Only a file can change.
        self._loaded = Reloader((self._path,) if self._path else (), lambda: read(given))

    def find(self, kid: str | None) -> Key | None:
        """Return the key of a token with this ``kid``, as :meth:`KeySet.find` does."""
        now = time.monotonic()
        if self._path and now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._refresh()
        return self._loaded.value.find(kid)

    @property
    def secrets(self) -> list[bytes]:
        """The secrets among the keys. It is empty if all are public keys."""
        return [key.material for key in self._loaded.value.keys if isinstance(key.material, bytes)]

    def _refresh(self) -> None:
        if not self._loaded.refresh():
            return
        if self._loaded.error is None:
            log.info("New keys for tokens are used from now on: %s", self._path)
        else:
            fault = describe(self._loaded.error)
            log.error("The new keys for tokens are not used, the old ones stay: %s: %s", self._path, fault)


def read(given: str) -> KeySet:
    """Return the keys in ``given``, or in the file that it names.

    Raises:
        UnusableKeyError: no key is usable.
    """
    if not given.startswith(PATHS):
        if os.path.exists(given):
            raise UnusableKeyError("it is the name of a file that exists: write ./ before it")
        return parse(given)
    try:
        return parse(text_of(given))
    except UnreadableKeyError as error:
        # The error does not show the path: it may be a secret that begins like a path.
        raise UnusableKeyError(f"it begins like the path of a file, and {error}") from None


def text_of(path: str) -> str:
    """Return the text of a file of keys, without its last line break.

    Raises:
        UnreadableKeyError: the file cannot be read, or is no text.
    """
    try:
        return read_file(path).decode("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise UnreadableKeyError(f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UnreadableKeyError("the file is no text") from None


def parse(text: str) -> KeySet:
    """Return the keys in ``text``.

    Raises:
        UnusableKeyError: no key is usable.
    """
    start = text.lstrip("\ufeff \t\r\n")
    if start.startswith("-----BEGIN"):
        return KeySet((_of_pem(start),))
    if start.startswith(("{", "[")):
        return KeySet(_of_jwks(start), named=True)
    if (why := plain_secret.why_not(text)) is not None:
        raise UnusableKeyError(why)
    return KeySet((_of_secret(text.encode()),))


def _of_secret(secret: bytes, kid: str | None = None) -> Key:
    return Key(secret, tuple(name for name, length in _SECRETS.items() if len(secret) >= length), kid)


def _of_pem(pem: str) -> Key:
    label = pem.partition("-----BEGIN ")[2].partition("-----")[0]
    if "PRIVATE KEY" in label:
        raise UnusableKeyError("it is a private key: give the public one (openssl pkey -in FILE -pubout)")
    if label == "CERTIFICATE":
        raise UnusableKeyError("it is a certificate: give its public key (openssl x509 -in FILE -pubkey -noout)")
    try:
        # Where an environment cannot hold the end of a line, it is written as in JSON.
        material = load_pem_public_key(pem.replace("\\n", "\n").encode())
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKeyError(
            "it is no public key in PEM: keep its line breaks, or write each of them as \\n"
        ) from None
    if not (algorithms := algorithms_of(material)):
        raise UnusableKeyError(KINDS)
    return Key(material, algorithms)


def algorithms_of(public_key: Any) -> tuple[str, ...]:
    """Return what a token may be signed with whose key this is; nothing for a kind that is not known here.

    Raises:
        UnusableKeyError: it is too short to be safe.
    """
    match public_key:
        case RSAPublicKey():
            if public_key.key_size < _RSA_BITS:
                raise UnusableKeyError(f"an RSA key must have {_RSA_BITS} bits or more")
            return _RSA
        case EllipticCurvePublicKey() if public_key.curve.name in _CURVES:
            return (_CURVES[public_key.curve.name],)
        case Ed25519PublicKey() | Ed448PublicKey():
            return ("EdDSA",)
    return ()


def _of_jwks(text: str) -> tuple[Key, ...]:
    try:
        parsed = json.loads(text)
        if isinstance(parsed, list) or "kty" in parsed:
            raise UnusableKeyError('it is no JWKS but keys alone: write {"keys": [...]} around them')
        listed = parsed["keys"]
        found = [_of_jwk(jwk) for jwk in listed if jwk.get("use", "sig") == "sig"]
    except UnusableKeyError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise UnusableKeyError('it is no JWKS: a JSON object with a list of "keys"') from None
    keys = tuple(filter(None, found))
    if not keys:
        raise UnusableKeyError("the JWKS has no key that tokens can be checked with")
    return keys


def _of_jwk(jwk: dict[str, Any]) -> Key | None:
    """Return the key, or None if its kind is unknown here (RFC 7517, section 5)."""
    name, kid = jwk.get("alg"), jwk.get("kid")
    if jwk.get("kty") != "oct" and "d" in jwk:
        raise UnusableKeyError("the JWKS has a private key: give the public ones")
    # A key without "alg" is loaded with any algorithm of its kind; its own properties decide afterwards.
    first = name or {"RSA": "RS256", "oct": "HS256", "OKP": "EdDSA"}.get(jwk.get("kty", ""))
    try:
        material = jwt.PyJWK(jwk, first).key
    except jwt.PyJWTError:
        return None
    if isinstance(material, bytes):
        if (why := plain_secret.why_not_bytes(material)) is not None:
            raise UnusableKeyError(f'a key of "kty": "oct" in the JWKS is not usable: {why}')
        key = _of_secret(material, kid)
    else:
        key = Key(material, algorithms_of(material), kid)
    algorithms = tuple(algorithm for algorithm in key.algorithms if name in (None, algorithm))
    return key._replace(algorithms=algorithms) if algorithms else None
