"""/etc/kcpassword."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.render.kcpassword import decode, encode


@pytest.mark.parametrize(
    ("password", "content"),
    [
        # Its first six bytes are those of the base image. Source: reference/macos.md §5.
        ("admin", "1ced3f4abcbcddeaa3b91f7d"),
        ("12345678901", "4cbb6117e78aead29a892e7d"),
        ("123456789012", "4cbb6117e78aead29a892e4f895223d2bcddeaa3b91f7d89"),
    ],
)
def test_known_contents(password: str, content: str) -> None:
    assert encode(password).hex() == content


def test_what_follows_the_end_of_the_password_does_not_matter() -> None:
    assert decode(bytes.fromhex("1ced3f4abcbcba2ccaca4e82")) == "admin"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_a_password_comes_back_from_whole_blocks(password: str) -> None:
    content = encode(password)
    assert decode(content) == password
    assert len(content) % 12 == 0
    assert len(content) > len(password.encode())


@pytest.mark.parametrize("password", ["", "a\0b"])
def test_what_macos_could_not_log_in_with_is_refused(password: str) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        encode(password)


def test_contents_without_an_end_are_refused() -> None:
    with pytest.raises(ValueError, match="no end"):
        decode(b"")
