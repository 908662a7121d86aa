"""The sealed format: what goes in comes out, and anything else is found."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.secrets import SecretError
from clawkeep.secrets.sealed import UnknownKeyError, key_id, new_key, seal, unseal

KEY = bytes(range(32))
TEXT = '{"a": "planted-value"}'
SEALED = seal(TEXT, KEY)

#: Written by the first version of the format: whatever comes later must read it.
FIRST = b"""clawkeep-sealed 1 key=cdc2813908f10cd4
7NFH2xDz3fAC69z7FfnMupI9wsuT09W5n9+I4Nd8lT05JHligIeFHo0eLL5XwbVBuuffAGx9Gh4z
fxLF/tXR+9Z9O7GlWhWVoSed2keuAOIuJg==
"""


def test_a_file_of_the_first_version_is_read() -> None:
    assert unseal(FIRST, [KEY]) == TEXT


@given(st.text(max_size=5000))
def test_any_text_comes_back(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert unseal(seal(text, KEY), [new_key(), KEY]) == text


def test_nothing_of_the_text_stands_in_the_file_and_no_two_files_are_alike() -> None:
    again = seal(TEXT, KEY)
    assert b"planted" not in SEALED
    assert SEALED.splitlines()[0] == again.splitlines()[0]
    assert SEALED.splitlines()[1] != again.splitlines()[1]


def test_the_first_line_names_version_and_key_for_people() -> None:
    assert SEALED.splitlines()[0].decode() == f"clawkeep-sealed 1 key={key_id(KEY)}"
    assert KEY.hex() not in SEALED.decode()


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_any_changed_byte_is_found(place: int, bits: int) -> None:
    content = bytearray(SEALED)
    content[place] ^= bits
    with pytest.raises(SecretError):
        unseal(bytes(content), [KEY])


@pytest.mark.parametrize("length", range(len(SEALED)))
def test_a_cut_anywhere_is_found(length: int) -> None:
    with pytest.raises(SecretError):
        unseal(SEALED[:length], [KEY])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c + b"\n",
        lambda c: c + b"QUJD\n",
        lambda c: b"\n" + c,
        lambda c: c.replace(b"\n", b"\r\n"),
        lambda c: c.replace(b"\n", b"", 2),
        lambda c: c + c,
        lambda c: c.splitlines(keepends=True)[0] + seal("x", KEY).partition(b"\n")[2][:-5] + b"\n",
    ],
)
def test_additions_and_other_line_breaks_are_found(spoil: object) -> None:
    assert callable(spoil)
    with pytest.raises(SecretError):
        unseal(spoil(SEALED), [KEY])


def test_another_key_is_told_from_a_spoilt_file() -> None:
    other = new_key()
    with pytest.raises(UnknownKeyError) as caught:
        unseal(seal(TEXT, other), [KEY])
    assert caught.value.key == key_id(other)
    with pytest.raises(SecretError, match="was cut or altered"):
        unseal(SEALED.replace(SEALED.splitlines()[1][:9], b"AAAAAAAAA"), [KEY])


def test_a_key_id_that_was_forged_opens_nothing() -> None:
    other = new_key()
    forged = seal(TEXT, other).replace(key_id(other).encode(), key_id(KEY).encode())
    with pytest.raises(SecretError, match="was cut or altered"):
        unseal(forged, [KEY])


def test_a_later_version_and_another_file_are_said_to_be_such() -> None:
    with pytest.raises(SecretError, match="is of version 2, and this clawkeep reads version 1"):
        unseal(SEALED.replace(b"sealed 1", b"sealed 2"), [KEY])
    for content in (b"", b"services: []\n", b"\x00\xff" * 50):
        with pytest.raises(SecretError, match="holds no sealed secrets"):
            unseal(content, [KEY])
