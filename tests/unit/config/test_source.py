"""Files that are no text, or not the text they seem to be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from clawkeep.config import ConfigError, load_services
from tests.recording import Faults

GOOD = b"services: []\n"


@pytest.fixture
def allowlist(tmp_path: Path) -> Path:
    return tmp_path / "allowlist.yml"


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_services(path)
    return str(caught.value).removeprefix(str(path))


def test_a_byte_order_mark_does_not_move_positions(allowlist: Path) -> None:
    allowlist.write_bytes(b"\xef\xbb\xbf" + GOOD)
    assert load_services(allowlist) == ()
    allowlist.write_bytes(b"\xef\xbb\xbfx: 1")
    assert ":1:1: unknown key 'x'" in refused(allowlist)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": is empty"),
        (b"services: []\n# gr\xfcn\n", ":2:5: byte 0xfc is not UTF-8; save the file as UTF-8"),
        ("services: []".encode("utf-16"), ":1:1: is UTF-16 or UTF-32; save it as UTF-8"),
        ("services: []".encode("utf-32"), ":1:1: is UTF-16 or UTF-32; save it as UTF-8"),
        (b"services: []\0", ":1:13: character U+0000 cannot be seen"),
        (b"a: \x1b[31m", ":1:4: character U+001B cannot be seen"),
        ("services: [] # \u202e".encode(), ":1:16: character U+202E cannot be seen"),
        ("services: []\n\u2028".encode(), ":2:1: character U+2028 cannot be seen"),
        ("services: []\ufeff".encode(), ":1:13: character U+FEFF cannot be seen"),
        (b"\xed\xa0\x80", ":1:1: byte 0xed is not UTF-8"),
    ],
)
def test_what_is_no_visible_utf8_is_refused(allowlist: Path, content: bytes, expected: str) -> None:
    allowlist.write_bytes(content)
    assert refused(allowlist).startswith(expected)


def test_ten_megabytes_are_refused_unread(allowlist: Path, faults: Faults) -> None:
    with allowlist.open("wb") as file:
        file.truncate(10_000_000)
    assert refused(allowlist).startswith(": is larger than 256 KB; an allowlist is a few KB")
    faults.show("declaration", "it has 10 MB", "its size, and what is usual; it is not read")


def test_a_missing_file_a_directory_and_a_pipe_are_refused(tmp_path: Path, faults: Faults) -> None:
    assert refused(tmp_path / "none.yml").startswith(": does not exist")
    assert refused(tmp_path) == ": is a directory; name the file in it"
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == ": is no regular file"
    (tmp_path / "loop").symlink_to("loop")
    assert refused(tmp_path / "loop")
    assert refused(tmp_path / ("x" * 300))
    assert refused(Path("a\0b"))
    says = "each is named; nothing is read"
    faults.show("declaration", "it is a folder, a pipe, a link to itself, or missing", says)
