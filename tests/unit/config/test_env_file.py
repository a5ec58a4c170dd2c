"""Files of settings are read as systemd reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from signaling.config import env_file

FILES = {
    "the role's quoting": (r'A="a \"b\" \\ \$c \`d\` é #e"', {"A": 'a "b" \\ $c `d` é #e'}),
    "nothing is expanded": ('A="$HOME" \nB=$HOME', {"A": "$HOME", "B": "$HOME"}),
    "another escape stays": (r'A="a\nb"', {"A": r"a\nb"}),
    "an escaped new line": ('A="a\\\nb"\nB=c\\\nd', {"A": "ab", "B": "cd"}),
    "a new line in quotes": ('A="a\nB=b"\nC=c', {"A": "a\nB=b", "C": "c"}),
    "single quotes": ("A='a \\ \"b\" $c'", {"A": 'a \\ "b" $c'}),
    "quotes inside a word": ("A=a\"b\"'c'", {"A": "a\"b\"'c'"}),
    "a word after quotes": ("A=\"a\"'b' c", {"A": "abc"}),
    "spaces around": ("  A = a b \t\n", {"A": "a b"}),
    "escaped spaces": ("A=\\ a\\ ", {"A": " a "}),
    "empty values": ("A=\nB=\"\"\nC=''\nD=", dict.fromkeys("ABCD", "")),
    "comments": ("# A=a\n ; B=b\nC=c # no comment", {"C": "c # no comment"}),
    "empty lines": ("\n\r\n\t\nA=a\r\nB=b", {"A": "a", "B": "b"}),
    "the last one wins": ("A=a\nA=b", {"A": "b"}),
    "no assignment": ("A\nexport B=b\n1C=c\nD-E=d\n=e\nF=f", {"F": "f"}),
    "an equals sign": ("A=b=c", {"A": "b=c"}),
    "no end of the quotes": ('A="a b\n', {"A": "a b\n"}),
    "a backslash at the end": ("A=a\\", {"A": "a"}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize(("text", "variables"), FILES.values(), ids=FILES)
def test_a_file_is_read_as_systemd_reads_it(text: str, variables: dict[str, str]):
    assert env_file.parse(text) == variables


def test_the_file_of_the_later_name_and_the_later_pattern_win(tmp_path: Path):
    for name, text in {"10.env": "A=1\nB=1\nC=1", "20.env": "A=2\nB=2", "a.conf": "A=3", "30.txt": "A=4"}.items():
        (tmp_path / name).write_text(text)
    assert env_file.read([f"{tmp_path}/*.env", f"{tmp_path}/a.conf"]) == {"A": "3", "B": "2", "C": "1"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(OSError, match=rf"^{tmp_path}/\*\.env: no file that you may see matches$"):
        env_file.read([f"{tmp_path}/*.env"])
    (tmp_path / "a.env").write_bytes(b"A=\xff")
    with pytest.raises(ValueError, match=rf"^{tmp_path}/a\.env: it is not UTF-8$"):
        env_file.read([f"{tmp_path}/*.env"])
    (tmp_path / "b").mkdir()
    with pytest.raises(OSError, match=rf"^{tmp_path}/b: Is a directory$"):
        env_file.read([f"{tmp_path}/b"])
