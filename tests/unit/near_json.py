"""What a client may send: JSON, what looks like it, and the fields of the protocol with either in them."""

from __future__ import annotations

from hypothesis import strategies as st

Texts = st.SearchStrategy[str]

NUMBERS = ["0", "-0", "7", "-17", "1.0", "-0.0e-0", "1E400", "9" * 128, "-" + "9" * 128, "9" * 5_000]
NO_NUMBERS = ["NaN", "Infinity", "-Infinity", "01", "1.", ".5", "-", "+1", "1e", "0x1", "\u0661", "1_0"]
STRINGS = [
    '""',
    '"alice"',
    '"bob"',
    r'"\u0061lice"',
    '"7"',
    r'"\u0000"',
    r'"\ud83d\ude00"',
    '"😀\u2028\x7f"',
    r'"\/\""',
]
LONG_STRINGS = ['"' + "é" * 128 + '"', '"' + "x" * 129 + '"']
NO_STRINGS = [r'"\ud800"', r'"\udc00\ud800"', r'"\ud800\u0041"', r'"\x41"', r'"\u12"', '"\t"', '"\0"', "'a'", '"']
OTHERS = ["null", "true", "false", "[]", "{}", "[" * 300 + "]" * 300]
NO_OTHERS = ["True", "nul", "/**/1", "1,2", "[1,]", "{1:2}", '{"a"}', "[1", "1]", "", "\ufeff1", "\f1", "\u00a01"]
NO_KEY = r'"\ud83d"'

SOUND = st.sampled_from([*NUMBERS, *STRINGS, *LONG_STRINGS, *OTHERS])
UNSOUND = st.sampled_from([*NO_NUMBERS, *NO_STRINGS, *NO_OTHERS])
SPACE = st.sampled_from(["", "", " ", "\t\r\n"])


def objects(names: Texts, items: Texts) -> Texts:
    fields = st.lists(st.builds("{2}{0}{2}:{1}{2}".format, names, items, SPACE), max_size=4)
    return fields.map(lambda found: "{" + ",".join(found) + "}")


def values(leaves: Texts) -> Texts:
    names = st.sampled_from(['"a"', '"a"', r'"\u0061"', '"type"', '""'])
    return st.recursive(
        leaves,
        lambda items: st.one_of(
            objects(names, items), st.lists(items, max_size=3).map(lambda found: "[" + ",".join(found) + "]")
        ),
        max_leaves=5,
    )


def messages(items: Texts) -> Texts:
    """Objects with a type and any other fields of the protocol, of any value and more than once."""
    types = st.sampled_from(["message", "message", "candidate", "bye", r"b\u0079e", "ping", "nothing"])
    fields = objects(st.sampled_from(['"data"', '"candidate"', '"id"', '"userId"', '"x"', '"\u00e9"']), items)
    return st.builds(
        lambda type_, more, space: f'{{"type":"{type_}"{"," if len(more) > 2 else ""}{more[1:]}{space}',
        types,
        fields,
        SPACE,
    )


USERS = st.one_of(st.sampled_from([*STRINGS, *LONG_STRINGS, "7"]), SOUND)
ASKED = st.one_of(st.just(""), st.sampled_from(["true", "false", "null"]), SOUND).map(
    lambda value: value and f'"iceServers":{value},'
)
JOINS = st.builds('{{"userId":{0},"remoteId":{1},{2}"type":"join"}}'.format, USERS, USERS, ASKED)
VALID = st.one_of(messages(values(SOUND)), JOINS)

# Wrong in a field: of a type, of an unsound value, or of an unsound name.
WRONG = st.one_of(
    objects(st.sampled_from(['"type"', r'"t\u0079pe"', '"data"', NO_KEY]), st.one_of(SOUND, UNSOUND)),
    messages(values(st.one_of(SOUND, UNSOUND))),
    values(SOUND),
)

# Wrong anywhere: something in it is taken out, put in or replaced, somewhere in its beginning.
MUTATED = st.builds(
    lambda text, at, gone, new: text[:at] + new + text[at + gone :],
    VALID,
    st.integers(0, 60),
    st.integers(0, 3),
    st.sampled_from(["", '"', "\\", "{", "}", ",", "\0", "\ufeff", "1"]),
)
TRAILED = st.builds("{}{}".format, VALID, st.sampled_from(["\0", "}", ",", "{}", "//", "\u00a0", "\n\n"]))


# A binary message is JSON as well, as long as it is UTF-8.
BYTES = VALID.map(str.encode)
MUTATED_BYTES = st.builds(
    lambda data, at, new: data[:at] + new + data[at + 1 :],
    BYTES,
    st.integers(0, 60),
    st.sampled_from([b"", b"\0", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xff", b"\xef\xbb\xbf"]),
)

ANYTHING = st.one_of(VALID, VALID, VALID, WRONG, MUTATED, TRAILED, BYTES, MUTATED_BYTES)
