"""The check that a text is plainly a secret. Pure.

If a public key were taken for a secret, everybody who knows it could make tokens. So a text is a secret only if it
looks like nothing else. A text that holds, encodes or names another kind of key is refused. Bytes without structure,
such as the 32 bytes of a bare Ed25519 key, cannot be told from a secret.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric import ec

MIN_BYTES = 32
"""The shortest secret: as long as its hash (RFC 7518, section 3.2)."""

MAX_BYTES = 256
"""The longest secret. HMAC gains nothing over 128 bytes (RFC 2104), and every RSA key is longer than this."""

TOO_SHORT = f"a secret must have {MIN_BYTES} bytes or more (RFC 7518, section 3.2)"

_OTHER_KIND = (
    "it is not plainly a secret but looks like a key of another kind: give a public key as a PEM file or a JWKS, "
    "or a secret such as openssl rand -hex 32 makes"
)
_NAME = (
    "it is not plainly a secret but looks like the name of a file, a URL or a variable: "
    "give the key itself, or the path of its file, which begins with /, ./ or ../"
)

_KEY_WORDS = re.compile(
    r"-----|begin[\W_]*[a-z ]*(key|cert)|(public|private)[\W_]*key|ssh-(rsa|dss|ed25519)|ecdsa-sha2"
    r"""|^\s*[\[{<]|["'](kty|crv|keys|alg|kid|use|x|n|e)["']\s*:""",
    re.IGNORECASE,
)
_has_label = re.compile(rb"""-----BEGIN|ssh-(rsa|dss|ed25519)|ecdsa-sha2|["'](kty|keys|crv)["']\s*:""").search
_NAMES = re.compile(
    r"[a-z][a-z0-9+.-]*:/.*|(file|data|did|urn|arn):.*|~\w*/.*|@[./~].*|[a-z]:\\.*|\$(\w+|\{.*\}|\(.*\))|%\w+%"
    r"|\$\w*[/{(].*|(?=.*/)(?=.*\.)[\w./~${}-]+"
    r"|.*\.(pem|key|pub|crt|cer|der|jwk|jwks|json|txt|p8|p12|pfx)",
    re.IGNORECASE,
)
_QUOTES = "\"'`\u201c\u201d\u2018\u2019"

# Bytes that occur in keys, in DER and in SSH's format, and hardly ever in random data.
_MARKS = (
    *(b"ssh-rsa", b"ssh-dss", b"ssh-ed25519", b"ecdsa-sha2", b"openssh-key"),
    b"\x2a\x86\x48\x86\xf7\x0d\x01",  # RSA
    b"\x02\x03\x01\x00\x01",  # its exponent
    b"\x2a\x86\x48\xce\x38",  # DSA
    b"\x2a\x86\x48\xce\x3d",  # elliptic curves of NIST
    b"\x2b\x81\x04\x00",  # those of SECG
    *(b"\x06\x03\x2b\x65" + last for last in (b"\x6e", b"\x6f", b"\x70", b"\x71")),  # X25519, X448, Ed25519, Ed448
)

_CURVES: tuple[ec.EllipticCurve, ...] = (ec.SECP256R1(), ec.SECP256K1(), ec.SECP384R1(), ec.SECP521R1())

_MAX_LAYERS = 3
"""How many nested encodings are decoded."""


def why_not(text: str) -> str | None:
    """Return why ``text`` is not plainly a secret, or None if it is. The reason shows nothing of the text."""
    if not text.isprintable():
        return "it holds a line break or an invisible character: a secret is one line of printable characters"
    if _NAMES.fullmatch(text):
        return _NAME
    length = len(text.encode())
    if length < MIN_BYTES:
        return TOO_SHORT
    if text.strip() != text:
        return "it begins or ends with a space: leave the space out"
    if text[0] in _QUOTES and text[-1] in _QUOTES:
        return "it is in quotes: leave the quotes out"
    if _is_key(text[:MAX_BYTES]):
        return _OTHER_KIND
    if length > MAX_BYTES:
        return f"a secret has at most {MAX_BYTES} bytes, and a public key must be in PEM or a JWKS"
    return None


def why_not_bytes(secret: bytes) -> str | None:
    """Return the same for a secret that need not be text, such as the one in a JWK."""
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and text:
        return why_not(text)
    if len(secret) < MIN_BYTES:
        return TOO_SHORT
    return _OTHER_KIND if len(secret) >= MAX_BYTES or _has_key(secret, _MAX_LAYERS) else None


def _is_key(text: str, layers: int = _MAX_LAYERS) -> bool:
    return any(
        _KEY_WORDS.search(view) is not None or any(_has_key(data, layers) for data in _decoded(view))
        for view in {text, unquote(text)}
    )


def _has_key(data: bytes, layers: int) -> bool:
    if any(mark in data for mark in _MARKS) or _is_der(data) or _is_point(data):
        return True
    if _has_label(data):
        # Other bytes may stand before it, such as a byte order mark.
        return True
    # Random bytes are not ASCII text, so the recursion ends soon.
    is_text = data.isascii() and all(character.isprintable() or character.isspace() for character in data.decode())
    return is_text and layers > 0 and _is_key(data.decode(), layers - 1)


def _is_der(data: bytes) -> bool:
    """Return whether it is a DER sequence. Up to 8 bytes may be missing at its end."""
    if data[:1] != b"\x30" or len(data) < MIN_BYTES:
        return False
    return data[1] == len(data) - 2 or (data[1] == 0x81 and 0 <= data[2] + 3 - len(data) <= 8)


def _is_point(data: bytes) -> bool:
    """Return whether it is an uncompressed point on a curve (SEC 1, section 2.3.3), with or without its first byte.

    Compressed points look random: one in four hundred random secrets of that length would count as one.
    """
    for curve in _CURVES:
        size = (curve.key_size + 7) // 8
        if len(data) not in (2 * size, 2 * size + 1):
            continue
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(curve, b"\x04" + data if len(data) == 2 * size else data)
        except ValueError:
            continue
        return True
    return False


def _decoded(text: str) -> Iterator[bytes]:
    """Yield the bytes that ``text``, or a word of it, may encode: in base64 of both alphabets, base32, and hex."""
    # Line breaks may be escaped as in JSON, and anything may stand between lines or bytes.
    packed = re.sub(r"\\+[rnt]|[^A-Za-z0-9+/_-]", "", text)
    for word in {packed, *re.findall(r"[A-Za-z0-9+/_-]{16,}", text)}:
        plain = word.replace("-", "+").replace("_", "/")
        # Other characters may stand before the encoded text.
        for start in range(4):
            piece = plain[start:]
            piece = piece[:-1] if len(piece) % 4 == 1 else piece
            yield base64.b64decode(piece + "=" * (-len(piece) % 4))
        # The second pattern matches x30x59, which is left of \\x30\\x59.
        for run in (*re.findall(r"[0-9a-fA-F]{32,}", word), *re.findall(r"(?:x[0-9a-fA-F]{2}){16,}", word)):
            run = run.replace("x", "")
            yield bytes.fromhex(run[: len(run) // 2 * 2])
        for run in re.findall(r"[A-Z2-7]{32,}|[a-z2-7]{32,}", word):
            try:
                yield base64.b32decode(run + "=" * (-len(run) % 8), casefold=True)
            except binascii.Error:
                continue
