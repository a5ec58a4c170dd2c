"""Which tokens let somebody join, and which do not."""

from __future__ import annotations

import base64
import datetime
import json
import os
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from signaling.config.env import SettingsError
from signaling.config.settings import Settings
from signaling.protocol import messages
from signaling.protocol.codes import CloseCode, ErrorCode
from signaling.protocol.errors import MessageError
from signaling.rooms.memory import MemoryRegistry
from signaling.security import keys
from signaling.security.jwt import MAX_CHARACTERS, JwtVerifier
from tests.certificates import make_certificate
from tests.unit.people import Person

SECRET = "the secret of the tests has 64 bytes, so that HS512 is allowed.."
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PRIVATE: dict[str, Any] = {
    "RS256": RSA,
    "PS512": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
}

OTHER_ALGORITHM = "the token is signed with an algorithm that its key is not for"


def pem(key: Any) -> str:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(public.decode())


def private_pem(key: Any) -> str:
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def jwk(name: str, **more: Any) -> dict[str, Any]:
    """The public key of one of the above as a JWK."""
    algorithm = jwt.get_algorithm_by_name("EdDSA" if name == "Ed448" else name)
    return json.loads(algorithm.to_jwk(PRIVATE[name].public_key())) | more


def jwks(*of: dict[str, Any]) -> str:
    return json.dumps({"keys": of})


def oct_jwk(secret: str, **more: Any) -> dict[str, Any]:
    return {"kty": "oct", "k": base64.urlsafe_b64encode(secret.encode()).decode().rstrip("="), **more}


def token(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any) -> str:
    """A token of alice, good for a minute; a claim of None is left out."""
    given = {"sub": "alice", "exp": time.time() + 60, **claims}
    headers = {"kid": kid} if kid is not None else None
    return jwt.encode({name: value for name, value in given.items() if value is not None}, key, algorithm, headers)


def handmade(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token as PyJWT would not make it."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def checks(key: str = SECRET, **more: Any) -> JwtVerifier:
    return JwtVerifier(Settings.load({"SIGNALING_JWT_KEY": key, **more}))


def refused(words: str, given: str, tokens: JwtVerifier | None = None) -> None:
    with pytest.raises(MessageError) as error:
        (tokens or checks()).verify(given)
    assert (error.value.code, error.value.close) == (ErrorCode.UNAUTHORIZED, CloseCode.UNAUTHORIZED)
    assert str(error.value) == f"Unauthorized: {words}"


def joins(given: Any, user: Any = "alice", remote: Any = "bob", field: str = "token") -> None:
    """Join as one does over the wire; an error is raised."""
    join = messages.decode(json.dumps({"type": "join", "userId": user, "remoteId": remote, field: given}))
    checks().check(join, *messages.users_of(join))


# Whose key it is.


def test_each_kind_of_key_takes_the_algorithms_it_is_for_and_no_other():
    for name, private in PRIVATE.items():
        algorithm = "EdDSA" if name == "Ed448" else name
        for key in pem(private), pem(private).replace("\n", "\\n"), jwks(jwk(name)), jwks(jwk(name, alg=algorithm)):
            assert checks(key).verify(token(private, algorithm))["sub"] == "alice"
    refused(OTHER_ALGORITHM, token(RSA, "RS256"), checks(SECRET))
    refused(OTHER_ALGORITHM, token(), checks(pem(RSA)))


def test_a_jwk_with_an_algorithm_takes_that_alone():
    assert checks(jwks(jwk("RS256"))).verify(token(RSA, "PS384"))
    pinned = checks(jwks(jwk("RS256", alg="PS256")))
    assert pinned.verify(token(RSA, "PS256"))
    refused(OTHER_ALGORITHM, token(RSA, "RS256"), pinned)


def test_a_secret_takes_the_hashes_that_are_no_longer_than_it_is():
    """RFC 7518, section 3.2."""
    for secret, most in ((SECRET[:32], "HS256"), (SECRET[:63], "HS384"), (SECRET, "HS512")):
        tokens = checks(secret)
        for algorithm in ("HS256", "HS384", "HS512"):
            given = handmade({"alg": algorithm}, {"sub": "alice", "exp": 2**33})
            signing_input = given.rpartition(".")[0]
            method = jwt.get_algorithm_by_name(algorithm)
            signature = base64.urlsafe_b64encode(method.sign(signing_input.encode(), secret.encode())).decode()
            given = f"{signing_input}.{signature.rstrip('=')}"
            if algorithm <= most:
                assert tokens.verify(given)
            else:
                refused(OTHER_ALGORITHM, given, tokens)


def test_a_secret_in_a_jwks_is_one():
    assert checks(jwks(oct_jwk(SECRET))).verify(token())


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (SECRET[:31], "a secret must have 32 bytes or more (RFC 7518, section 3.2)"),
        (" ", "a secret must have 32 bytes or more (RFC 7518, section 3.2)"),
        (
            jwks(oct_jwk("short")),
            'a key of "kty": "oct" in the JWKS is not usable: '
            "a secret must have 32 bytes or more (RFC 7518, section 3.2)",
        ),
        (private_pem(RSA), "it is a private key: give the public one (openssl pkey -in FILE -pubout)"),
        (jwks(oct_jwk(SECRET), jwk("ES256", d="secret")), "the JWKS has a private key: give the public ones"),
        (
            "-----BEGIN PUBLIC KEY-----\nnonsense",
            "it is no public key in PEM: keep its line breaks, or write each of them as \\n",
        ),
        (pem(ec.generate_private_key(ec.SECP256K1())), keys.KINDS),
        (pem(rsa.generate_private_key(65_537, 1_024)), "an RSA key must have 2048 bits or more"),
        ("{", 'it is no JWKS: a JSON object with a list of "keys"'),
        ('{"keys": 1}', 'it is no JWKS: a JSON object with a list of "keys"'),
        (json.dumps(jwk("ES256")), 'it is no JWKS but keys alone: write {"keys": [...]} around them'),
        (json.dumps([jwk("ES256")]), 'it is no JWKS but keys alone: write {"keys": [...]} around them'),
        ("[]", 'it is no JWKS but keys alone: write {"keys": [...]} around them'),
        ('{"keys": [1]}', 'it is no JWKS: a JSON object with a list of "keys"'),
        (jwks(), "the JWKS has no key that tokens can be checked with"),
        (jwks(jwk("RS256", use="enc")), "the JWKS has no key that tokens can be checked with"),
        (jwks({"kty": "RSA"}, {"kty": "new"}), "the JWKS has no key that tokens can be checked with"),
        (jwks(jwk("ES256", alg="HS256")), "the JWKS has no key that tokens can be checked with"),
        (
            "/" + SECRET,
            "it begins like the path of a file, and the file cannot be read: No such file or directory",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_named_and_not_shown(key: str, why: str):
    with pytest.raises(SettingsError) as error:
        checks(key)
    assert str(error.value) == f"SIGNALING_JWT_KEY is not usable: {why}"


def test_a_certificate_is_not_taken_for_its_key(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"it is a certificate: give its public key \(openssl x509"):
        checks(str(make_certificate(tmp_path / "some.crt")))


def test_an_audience_without_a_key_would_check_nothing():
    with pytest.raises(SettingsError) as error:
        Settings.load({"SIGNALING_JWT_AUDIENCE": "calls"})
    assert str(error.value) == ("SIGNALING_JWT_KEY is not set: SIGNALING_JWT_AUDIENCE needs a key that verifies tokens")


# Forgery.


def test_a_forged_signature():
    refused("the signature of the token is wrong", token("another secret, which is just as long"))
    head, _, signature = token().split(".")
    other = handmade({}, {"sub": "bob", "exp": time.time() + 60}).split(".")[1]
    refused("the signature of the token is wrong", f"{head}.{other}.{signature}")
    for name in ("RS256", "ES384", "EdDSA"):
        stranger = {"RS256": rsa.generate_private_key(65_537, 2_048), "ES384": ec.generate_private_key(ec.SECP384R1())}
        forged = token(stranger.get(name) or ed25519.Ed25519PrivateKey.generate(), name)
        refused("the signature of the token is wrong", forged, checks(pem(PRIVATE[name])))


@pytest.mark.parametrize("signature", [b"", b"x", bytes(64), bytes(256), bytes(4_000)])
@pytest.mark.parametrize("name", ["HS256", *PRIVATE])
def test_what_is_no_signature_at_all(name: str, signature: bytes):
    header = {"alg": "EdDSA" if name == "Ed448" else name}
    forged = handmade(header, {"sub": "alice", "exp": time.time() + 60}, signature)
    refused("the signature of the token is wrong", forged, checks(pem(PRIVATE[name]) if name in PRIVATE else SECRET))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, ["HS256"]])
@pytest.mark.parametrize("key", [SECRET, pem(RSA), jwks(oct_jwk(SECRET))], ids=["secret", "pem", "jwks"])
def test_no_algorithm_is_none_of_ours(algorithm: Any, key: str):
    given = handmade({"alg": algorithm}, {"sub": "alice", "exp": time.time() + 60})
    refused(OTHER_ALGORITHM, given, checks(key))


@pytest.mark.parametrize("private", [RSA, PRIVATE["ES256"], PRIVATE["EdDSA"]], ids=["RSA", "EC", "Ed25519"])
def test_the_public_key_is_not_taken_for_a_secret(private: Any):
    """The confusion of algorithms: everybody knows the public key, and could sign with it as a secret."""
    public = pem(private)
    start = handmade({"alg": "HS256"}, {"sub": "alice", "exp": time.time() + 60}).rpartition(".")[0]
    for secret in (public, public.strip()):
        hmac = jwt.get_algorithm_by_name("HS256").sign(start.encode(), secret.encode())
        forged = f"{start}.{base64.urlsafe_b64encode(hmac).decode().rstrip('=')}"
        for key in (public, jwks(jwk({RSA: "RS256", PRIVATE["ES256"]: "ES256"}.get(private, "EdDSA")))):
            refused(OTHER_ALGORITHM, forged, checks(key))


def test_a_key_that_the_token_brings_along_is_not_looked_at():
    stranger = ed25519.Ed25519PrivateKey.generate()
    theirs = json.loads(jwt.get_algorithm_by_name("EdDSA").to_jwk(stranger.public_key()))
    headers = {"jwk": theirs, "jku": "https://example.org/keys", "x5u": "https://example.org/"}
    forged = jwt.encode({"sub": "alice", "exp": time.time() + 60}, stranger, "EdDSA", headers)
    refused("the signature of the token is wrong", forged, checks(pem(PRIVATE["EdDSA"])))


@given(st.text() | st.lists(st.binary(), min_size=3, max_size=3))
def test_nonsense_is_refused_like_any_token(nonsense: str | list[bytes]):
    if isinstance(nonsense, list):
        nonsense = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in nonsense)
    with pytest.raises(MessageError) as error:
        checks().verify(nonsense)
    assert error.value.code is ErrorCode.UNAUTHORIZED
    assert len(nonsense) < 20 or nonsense not in str(error.value)


@pytest.mark.parametrize("part", ["[" * 3_000, '{"a":' * 1_000, "1" * 5_000, '{"alg":"HS256","kid":7}'])
def test_what_is_hard_to_parse_is_refused_as_well(part: str):
    encoded = base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    refused("the token is none", f"{encoded}.{encoded}.{encoded}"[:MAX_CHARACTERS])


def test_a_long_token_is_not_looked_at():
    assert checks().verify(token(note="x" * 5_000))
    refused("the token is too long", token(note="x" * MAX_CHARACTERS))


# What it claims.


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": None}, "the token has no exp"),
        ({"exp": 1}, "the token has expired"),
        ({"exp": "soon"}, "the token is none"),
        ({"nbf": 2**33}, "the token is not yet valid"),
        ({"iat": 2**33}, "the token is not yet valid"),
        ({"sub": None}, "the token has no sub"),
        ({"sub": 7}, "the sub of the token is no string"),
    ],
)
def test_what_a_token_must_claim(claims: dict[str, Any], why: str):
    refused(why, token(**claims))


def test_clocks_may_differ_by_the_leeway():
    now = time.time()
    assert checks().verify(token(exp=now - 5))
    assert checks().verify(token(nbf=now + 5, iat=now + 5))
    strict = checks(SIGNALING_JWT_LEEWAY=0)
    refused("the token has expired", token(exp=now - 5), strict)
    refused("the token is not yet valid", token(nbf=now + 5), strict)


def test_the_audience_and_the_issuer_count_where_they_are_set():
    assert checks().verify(token(aud="anything", iss="anybody"))
    tokens = checks(SIGNALING_JWT_AUDIENCE="calls", SIGNALING_JWT_ISSUER="shop")
    assert tokens.verify(token(aud="calls", iss="shop"))
    assert tokens.verify(token(aud=["mail", "calls"], iss="shop"))
    refused("the token is for another audience", token(aud="mail", iss="shop"), tokens)
    refused("the token has no aud", token(iss="shop"), tokens)
    refused("the token is of another issuer", token(aud="calls", iss="pub"), tokens)
    refused("the token has no iss", token(aud="calls"), tokens)


# Who joins with it, and with whom.


def denied(why: str, *arguments: Any, **options: Any) -> None:
    with pytest.raises(MessageError) as error:
        joins(*arguments, **options)
    assert (error.value.code, str(error.value)) == (ErrorCode.UNAUTHORIZED, f"Unauthorized: {why}")


def test_a_token_is_for_one_user():
    joins(token())
    denied("the token is for another user", token(), user="bob", remote="carol")
    denied("the token is for another user", token(), user="Alice")
    denied("the token is for another user", token(sub="alice "))


def test_an_integer_is_the_user_of_its_decimal_string():
    joins(token(sub="7"), user=7)
    joins(token(sub="7"), user="7")
    joins(token(sub="-7"), user=-7)
    denied("the token is for another user", token(sub="07"), user=7)


@pytest.mark.parametrize("peer", ["bob", ["bob"], ["carol", "bob"]])
def test_a_token_may_be_for_some_peers_alone(peer: Any):
    joins(token(peer=peer))
    denied("the token is for another peer", token(peer=peer), remote="dave")


@pytest.mark.parametrize("peer", [7, "7", ["7"], ["bob", 7]])
def test_a_peer_may_be_an_integer(peer: Any):
    joins(token(peer=peer), remote=7)
    joins(token(peer=peer), remote="7")
    denied("the token is for another peer", token(peer=peer), remote="dave")


def test_an_empty_list_is_nobody():
    denied("the token is for another peer", token(peer=[]))


@pytest.mark.parametrize("peer", [True, {"id": "bob"}, [["bob"]], ["bob", None], 1.5])
def test_any_other_peer_is_a_mistake_of_who_made_the_token(peer: Any):
    denied("the peer of the token is neither a string nor a list of strings", token(peer=peer))


def test_a_peer_of_null_is_not_everybody():
    claims = {"sub": "alice", "exp": time.time() + 60, "peer": None}
    denied("the peer of the token is neither a string nor a list of strings", jwt.encode(claims, SECRET))


def test_the_token_may_be_in_the_field_of_the_nodejs_servers_web_client():
    joins(token(), field="apiKey")
    denied("the signature of the token is wrong", token("another secret, which is just as long"), field="apiKey")


def test_the_token_goes_before_the_other_field():
    join = {"type": "join", "userId": "alice", "remoteId": "bob", "token": token(), "apiKey": "something else"}
    message = messages.decode(json.dumps(join))
    checks().check(message, *messages.users_of(message))
    message = messages.decode(json.dumps(join | {"token": None, "apiKey": token()}))
    checks().check(message, *messages.users_of(message))


@pytest.mark.parametrize("nothing", ["", None])
def test_without_a_token_nobody_joins(nothing: str | None):
    denied("a token is needed", nothing)
    denied("a token is needed", nothing, field="apiKey")
    denied("a token is needed", "something", field="other")


@pytest.mark.parametrize("value", [7, True, [], {}])
def test_a_token_is_a_string(value: Any):
    denied("the token is no string", value)
    denied("the token is no string", value, field="apiKey")


# In the conversation.

AUTHENTICATED = Settings(jwt_key=SECRET)


def test_a_join_that_is_refused_changes_nothing_and_is_the_end():
    rooms = MemoryRegistry()
    alice = Person(rooms, AUTHENTICATED).joins("alice", "bob", token=token())
    assert alice.hears_types() == ["created", "roomInfo"]
    stranger = Person(rooms, AUTHENTICATED).joins("alice", "bob", token=token(sub="mallory"))
    assert stranger.hears() == [
        {"type": "error", "code": "unauthorized", "message": "Unauthorized: the token is for another user"}
    ]
    assert stranger.close_code == 4003
    assert (alice.hears(), alice.close_code) == ([], None)


def test_who_is_in_a_room_and_joins_with_a_bad_token_is_out():
    rooms = MemoryRegistry()
    alice = Person(rooms, AUTHENTICATED).joins("alice", "bob", token=token())
    bob = Person(rooms, AUTHENTICATED).joins("bob", "alice", token=token(sub="bob"))
    alice.hears()
    alice.joins("alice", "carol", token=token(peer="bob"))
    assert alice.hears_types() == ["error"]
    assert alice.close_code == 4003
    bob.hears()
    alice.drops(4003)
    assert bob.hears_types() == ["bye", "roomInfo"]


def test_a_token_that_expires_ends_no_call(monkeypatch: pytest.MonkeyPatch):
    rooms = MemoryRegistry()
    strict = Settings(jwt_key=SECRET, jwt_leeway=0)
    short = token(exp=time.time() + 60)
    alice = Person(rooms, strict).joins("alice", "bob", token=short)
    bob = Person(rooms, strict).joins("bob", "alice", token=token(sub="bob"))
    bob.hears()
    gone = time.time() + 3_600

    class Later:
        @staticmethod
        def now(tz: Any) -> Any:
            return real.fromtimestamp(gone, tz)

    import jwt.api_jwt

    real = jwt.api_jwt.datetime
    monkeypatch.setattr(jwt.api_jwt, "datetime", Later)
    alice.says(type="message", data="still here")
    assert bob.hears() == [{"type": "message", "data": "still here", "from": "alice"}]
    alice.hears()
    alice.joins("alice", "bob", token=short)
    assert alice.hears()[0]["message"] == "Unauthorized: the token has expired"


# A key that changes.

OLD, NEW = SECRET[::-1], SECRET


def in_change(first: str, second: str, **more: Any) -> Settings:
    return Settings(jwt_key=first, jwt_key_fallback=second, jwt_leeway=0, **more)


@pytest.mark.parametrize(("first", "second"), [(NEW, OLD), (OLD, NEW)])
def test_tokens_of_both_keys_are_good_while_the_key_changes(first: str, second: str):
    tokens = JwtVerifier(in_change(first, second))
    for key in (OLD, NEW):
        assert tokens.verify(token(key))["sub"] == "alice"
        refused("the token has expired", token(key, exp=time.time() - 1), tokens)
    refused("the signature of the token is wrong", token("another secret of thirty-two bytes or more"), tokens)


def test_a_key_may_change_to_one_of_another_kind():
    for first, second in ((pem(RSA), SECRET), (SECRET, pem(RSA)), (jwks(jwk("RS256", kid="new")), SECRET)):
        tokens = JwtVerifier(in_change(first, second))
        assert tokens.verify(token())
        assert tokens.verify(token(RSA, "RS256", kid="new"))


def test_a_second_key_that_is_none_is_named():
    with pytest.raises(SettingsError, match="SIGNALING_JWT_KEY_FALLBACK is not usable: a secret must have 32 bytes"):
        JwtVerifier(in_change(SECRET, "short"))


def test_one_line_says_that_the_second_key_is_still_in_use(caplog: pytest.LogCaptureFixture):
    tokens = JwtVerifier(in_change(NEW, OLD))
    tokens.verify(token(NEW))
    assert caplog.messages == []
    for _ in range(3):
        tokens.verify(token(OLD))
    assert caplog.messages == ["Tokens of SIGNALING_JWT_KEY_FALLBACK: 1"]


# Resume tickets.

STRICT = Settings(jwt_key=SECRET, jwt_leeway=0)


def ticket_of(person: Person) -> str:
    [welcome] = [said for said in person.hears() if said["type"] in ("created", "joined")]
    ticket: str = welcome["resume"]
    return ticket


def expired(sub: str = "alice") -> str:
    return token(sub=sub, exp=time.time() - 1)


def admitted(seconds: float = 60, settings: Settings = STRICT) -> str:
    """The ticket of alice, in the room with bob, whose token has so many seconds left."""
    alice = Person(MemoryRegistry(), settings)
    alice.joins("alice", "bob", token=token(exp=time.time() + seconds), resume=True)
    return ticket_of(alice)


def comes_back(ticket: Any, settings: Settings = STRICT, **fields: Any) -> dict[str, Any]:
    """What is said first to whoever comes with a ticket."""
    person = Person(MemoryRegistry(), settings)
    asked = {"user": "alice", "remote": "bob", "token": expired(), **fields}
    person.joins(asked["user"], asked["remote"], token=asked["token"], resume=ticket)
    first: dict[str, Any] = person.hears()[0]
    return first


def test_a_ticket_is_for_those_who_ask_for_it():
    for resume in ({}, {"resume": False}, {"resume": None}):
        alice = Person(MemoryRegistry(), STRICT).joins("alice", "bob", token=token(), **resume)
        assert alice.hears()[0] == {"type": "created", "room": "room_alice_bob"}
    # Where no token is needed, no ticket is.
    alice = Person(MemoryRegistry()).joins("alice", "bob", resume=True)
    assert alice.hears()[0] == {"type": "created", "room": "room_alice_bob"}


def test_a_ticket_lets_back_in_for_a_minute_after_the_token():
    for seconds in (7_200, 3_600):
        back = comes_back(admitted(seconds))
        assert back["type"] == "created"
        # That of the way back is good for as long, and no longer.
        claims = [jwt.decode(each, options={"verify_signature": False}) for each in (admitted(seconds), back["resume"])]
        assert abs(claims[0]["exp"] - claims[1]["exp"]) < 30
        assert comes_back(back["resume"])["type"] == "created"


def test_a_ticket_ends_with_its_minute(monkeypatch: pytest.MonkeyPatch):
    ticket = admitted(60)
    real = datetime.datetime
    for after, answer in ((60 + 50, "created"), (60 + 70, "error")):
        later = time.time() + after

        class Later:
            @staticmethod
            def now(tz: Any, later: float = later) -> Any:
                return real.fromtimestamp(later, tz)

        monkeypatch.setattr(jwt.api_jwt, "datetime", Later)
        said = comes_back(ticket)
        assert said["type"] == answer
    assert said["message"] == "Unauthorized: the token and the resume ticket have expired"


def test_a_ticket_is_bound_to_its_user_its_room_and_its_service():
    ticket = admitted()
    elsewhere = "Unauthorized: the resume ticket is for another room"
    unknown = "Unauthorized: the token has expired, and the resume ticket is not from this server"
    assert comes_back(ticket, remote="carol")["message"] == elsewhere
    assert comes_back(ticket, user="carol", token=expired("carol"))["message"] == elsewhere
    assert comes_back(ticket, user="bob", remote="alice", token=expired("bob"))["message"] == elsewhere
    for other in (
        {"jwt_key": SECRET[::-1]},
        {"redis_prefix": "other"},
        {"jwt_audience": "calls"},
        {"jwt_issuer": "shop"},
        {"resume_secret": "x" * 32},
    ):
        settings = Settings(**{"jwt_key": SECRET, "jwt_leeway": 0, **other})
        shown = token(other.get("jwt_key", SECRET), exp=time.time() - 1, aud="calls", iss="shop")
        assert comes_back(ticket, settings, token=shown)["message"] == unknown, other
    for forged in (ticket[:-2], ticket + "a", "", token(peer="bob"), expired(), "a.b.c", "🙂", "x" * 2_049):
        assert comes_back(forged)["type"] == "error", forged


STEPS = [(OLD, ""), (OLD, NEW), (NEW, OLD), (NEW, "")]


@pytest.mark.parametrize("secret", ["", "x" * 32], ids=["derived", "own"])
def test_a_ticket_is_good_at_a_host_that_is_a_step_ahead_or_behind(secret: str):
    """Both hosts are in the middle of a change of the key, of one step, one after the other."""
    for one, other in pairwise(STEPS):
        for here, there in ((one, other), (other, one)):
            ticket = ticket_of(
                Person(MemoryRegistry(), in_change(*here, resume_secret=secret)).joins(
                    "alice", "bob", token=token(here[0]), resume=True
                )
            )
            settings = in_change(*there, resume_secret=secret)
            assert comes_back(ticket, settings, token=token(here[0], exp=time.time() - 1))["type"] == "created"
    gone = in_change(NEW, "", resume_secret=secret)
    assert comes_back(admitted(settings=in_change(NEW, "")), gone, token=token(OLD, exp=0))["type"] == "error"


def test_a_ticket_outlives_a_change_of_its_own_secret():
    old, new = "o" * 32, "n" * 32
    steps = [(old, ""), (old, new), (new, old), (new, "")]
    for one, other in pairwise(steps):
        for here, there in ((one, other), (other, one)):
            of_here, of_there = (
                Settings(jwt_key=SECRET, jwt_leeway=0, resume_secret=first, resume_secret_fallback=second)
                for first, second in (here, there)
            )
            assert comes_back(admitted(settings=of_here), of_there)["type"] == "created"


def test_a_ticket_outlives_a_change_of_the_file_of_keys(tmp_path: Path):
    """Each host read the file at its own start or look."""
    file = tmp_path / "keys.json"
    steps = [
        jwks(*(oct_jwk(secret, kid=kid) for kid, secret in step))
        for step in ([("1", OLD)], [("1", OLD), ("2", NEW)], [("2", NEW), ("1", OLD)])
    ]
    tickets = []
    for step in steps:
        file.write_text(step)
        settings = Settings(jwt_key=str(file), jwt_leeway=0)
        ticket = ticket_of(
            Person(MemoryRegistry(), settings).joins("alice", "bob", token=token(OLD, kid="1"), resume=True)
        )
        tickets.append(ticket)
        for each in tickets:
            shown = token(OLD, kid="1", exp=time.time() - 1)
            assert comes_back(each, settings, token=shown)["type"] == "created"


def test_a_ticket_is_no_token_and_heals_no_bad_one():
    ticket = admitted()
    assert comes_back(True, token=ticket)["type"] == "error"
    for bad in (None, "", token(sub="bob"), token(key=SECRET[::-1]), "nonsense", token(peer="carol"), 7):
        assert comes_back(ticket, token=bad)["type"] == "error", bad


@pytest.mark.parametrize("end", [10**400, 1e300, str(2**40)])
def test_a_token_may_end_at_any_time(end: Any):
    alice = Person(MemoryRegistry(), STRICT).joins("alice", "bob", token=token(exp=end), resume=True)
    assert comes_back(ticket_of(alice))["type"] == "created"


@pytest.mark.parametrize("resume", [1, ["a"], {"a": 1}, 0.5])
def test_a_ticket_is_a_string(resume: Any):
    for settings in (STRICT, Settings()):
        said = comes_back(resume, settings, token=token())
        if settings is STRICT:
            assert said["message"] == "Invalid message: resume must be true, false or a ticket"
        else:
            assert said["type"] == "created"


def test_with_a_public_key_tickets_are_of_this_start_unless_there_is_a_secret():
    private = PRIVATE["ES256"]
    settings = Settings(jwt_key=pem(private), jwt_leeway=0)
    good = token(private, "ES256", exp=time.time() + 60)
    old = token(private, "ES256", exp=time.time() - 1)
    alice = Person(MemoryRegistry(), settings).joins("alice", "bob", token=good, resume=True)
    assert comes_back(ticket_of(alice), settings, token=old)["type"] == "created"
    kept = Settings(jwt_key=settings.jwt_key, jwt_leeway=0, resume_secret="x" * 32)
    alice = Person(MemoryRegistry(), kept).joins("alice", "bob", token=good, resume=True)
    ticket = ticket_of(alice)
    assert comes_back(ticket, kept, token=old)["type"] == "created"
    assert comes_back(ticket, settings, token=old)["type"] == "error"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"SIGNALING_RESUME_SECRET": "x" * 31, "SIGNALING_JWT_KEY": SECRET}, "write 32 bytes or more"),
        ({"SIGNALING_RESUME_SECRET": "x" * 32}, "SIGNALING_JWT_KEY is not set"),
    ],
)
def test_a_resume_secret_that_is_of_no_use(more: dict[str, str], why: str):
    with pytest.raises(SettingsError, match=why):
        Settings.load(more)


# Keys in a file, and their change.


class Clock:
    """The time that the keys go by."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(keys, "time", clock)
    return clock


def put(path: Path, text: str) -> None:
    """Replace the file as one should."""
    new = path.with_suffix(".new")
    new.write_text(text)
    os.replace(new, path)


@pytest.mark.parametrize("text", [SECRET, SECRET + "\n", SECRET + "\r\n"])
def test_a_secret_in_a_file_ends_with_its_line(tmp_path: Path, text: str):
    path = tmp_path / "secret"
    path.write_text(text)
    assert checks(str(path)).verify(token())


def test_a_file_may_be_named_from_the_folder_of_the_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "run").mkdir()
    (tmp_path / "key.pem").write_text(pem(RSA))
    monkeypatch.chdir(tmp_path / "run")
    assert checks("../key.pem").verify(token(RSA, "RS256"))


@pytest.mark.parametrize(
    ("content", "why"), [(b"\xff" * 40, "the file is no text"), (None, "the file cannot be read: Is a directory")]
)
def test_a_file_that_holds_no_key(tmp_path: Path, content: bytes | None, why: str):
    path = tmp_path / "key"
    path.write_bytes(content) if content else path.mkdir()
    with pytest.raises(SettingsError) as error:
        checks(str(path))
    assert str(error.value) == f"SIGNALING_JWT_KEY is not usable: it begins like the path of a file, and {why}"


def test_keys_are_rotated_in_a_jwks(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture):
    """First both keys are there, then the old one goes; a look at the file is taken once a second."""
    caplog.set_level("INFO")
    path = tmp_path / "keys.json"
    path.write_text(jwks(jwk("ES256", kid="old")))
    tokens = checks(str(path))
    old, new = token(PRIVATE["ES256"], "ES256", kid="old"), token(PRIVATE["EdDSA"], "EdDSA", kid="new")
    assert tokens.verify(old)
    refused("the key of the token is not known", new, tokens)

    put(path, jwks(jwk("ES256", kid="old"), jwk("EdDSA", kid="new")))
    refused("the key of the token is not known", new, tokens)
    clock.now += 1
    assert tokens.verify(new)
    assert tokens.verify(old)
    assert caplog.messages == [f"New keys for tokens are used from now on: {path}"]

    put(path, jwks(jwk("EdDSA", kid="new")))
    clock.now += 1
    refused("the key of the token is not known", old, tokens)
    assert tokens.verify(new)


def test_a_broken_new_file_is_told_once_and_the_old_keys_stay(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "keys.json"
    path.write_text(jwks(oct_jwk(SECRET)))
    tokens = checks(str(path))
    for broken, why in ((jwks(), "the JWKS has no key"), (None, "the file cannot be read: No such file")):
        caplog.clear()
        put(path, broken) if broken else path.unlink()
        for _ in range(3):
            clock.now += 1
            assert tokens.verify(token())
        [told] = caplog.messages
        assert told.startswith("The new keys for tokens are not used, the old ones stay: ")
        assert why in told
    put(path, jwks(oct_jwk(SECRET[::-1])))
    clock.now += 1
    assert tokens.verify(token(SECRET[::-1]))


def test_the_name_of_a_key_says_which_it_is():
    tokens = checks(jwks(jwk("ES256", kid="a"), jwk("EdDSA", kid="b"), {"kty": "new", "kid": "c"}))
    assert tokens.verify(token(PRIVATE["EdDSA"], "EdDSA", kid="b"))
    unknown = "the key of the token is not known"
    refused(OTHER_ALGORITHM, token(PRIVATE["EdDSA"], "EdDSA", "a"), tokens)
    refused(unknown, token(PRIVATE["EdDSA"], "EdDSA"), tokens)
    refused(unknown, token(PRIVATE["EdDSA"], "EdDSA", kid="c"), tokens)


def test_where_there_is_one_key_a_token_need_not_name_it():
    assert checks(jwks(jwk("ES256", kid="a"))).verify(token(PRIVATE["ES256"], "ES256"))
    assert checks(pem(PRIVATE["ES256"])).verify(token(PRIVATE["ES256"], "ES256", kid="whatever"))
    refused(
        "the key of the token is not known",
        token(PRIVATE["ES256"], "ES256", kid="b"),
        checks(jwks(jwk("ES256", kid="a"))),
    )


def test_two_keys_of_one_name_are_none():
    tokens = checks(jwks(jwk("ES256", kid="a"), jwk("EdDSA", kid="a")))
    refused("the key of the token is not known", token(PRIVATE["ES256"], "ES256", kid="a"), tokens)


def test_the_document_has_the_words_of_every_refusal():
    root = Path(__file__).parents[3]
    code = (root / "signaling" / "security" / "jwt.py").read_text()
    words = set(re.findall(r'unauthorized\("(.+?)"\)|: "(the .+?)",', code)) - {("", "")}
    text = (root / "docs" / "authentication.md").read_text()
    assert len(words) > 10
    for one, other in words:
        assert f"`Unauthorized: {one or other}`" in text


@pytest.mark.parametrize("depth", [1, 500, 990, 1_000, 1_500, 2_900])
@pytest.mark.parametrize("part", [0, 1])
def test_json_in_a_token_that_is_nested_too_deep_is_no_token(depth: int, part: int):
    parts = [b'{"alg":"HS256"}', b'{"sub":"alice"}', b"signature"]
    parts[part] = b"[" * depth + b"]" * depth
    token = ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts)
    alice = Person(MemoryRegistry(), Settings(jwt_key=SECRET)).joins("alice", "bob", token=token)
    assert [reply["code"] for reply in alice.hears()] == ["unauthorized"]
    assert alice.close_code == 4003
