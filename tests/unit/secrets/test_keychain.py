"""Secrets from the keychain, through a `security` that answers as macOS's does."""

from __future__ import annotations

from pathlib import Path

import pytest

from clawkeep.secrets import SecretError
from clawkeep.secrets.keychain import password

# As SecurityTool prints: with -w hexadecimal digits for what is not all printable ASCII, with -g
# the same with 0x and, behind it, an escaped text; a printable one in quotes.
PROGRAM = """#!/bin/sh
echo "$*" >> {folder}/calls
case "$*" in
  *"-w") [ -f {folder}/status ] && exit "$(cat {folder}/status)"; cat {folder}/w ;;
  *"-g") echo 'class: "genp"'; cat {folder}/g >&2 ;;
esac
"""


def security(folder: Path, *, w: str = "", g: str = "", status: int = 0) -> str:
    (folder / "w").write_text(f"{w}\n")
    (folder / "g").write_text(f"{g}\n")
    if status:
        (folder / "status").write_text(str(status))
    program = folder / "security"
    program.write_text(PROGRAM.format(folder=folder))
    program.chmod(0o755)
    return str(program)


def read(program: str) -> str:
    return password("claude", "me", security=program, platform="darwin").reveal()


def test_a_password_is_read_by_service_and_account(tmp_path: Path) -> None:
    assert read(security(tmp_path, w="sk-ant-planted")) == "sk-ant-planted"
    assert (tmp_path / "calls").read_text() == "find-generic-password -s claude -a me -w\n"


def test_a_password_keeps_its_spaces_and_line_breaks_that_are_its_own(tmp_path: Path) -> None:
    assert read(security(tmp_path, w=" a b \n")) == " a b \n"


def test_a_password_with_an_umlaut_is_read_from_its_digits(tmp_path: Path) -> None:
    program = security(
        tmp_path, w="68c3bc74746531", g='password: 0x68C3BC74746531  "h\\303\\274tte1"'
    )
    assert read(program) == "hütte1"


def test_a_token_of_hexadecimal_digits_stays_one(tmp_path: Path) -> None:
    assert read(security(tmp_path, w="68c3bc74", g='password: "68c3bc74"')) == "68c3bc74"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (44, "security add-generic-password -s claude -a me -w"),
        (36, "security unlock-keychain"),
        (51, "security unlock-keychain"),
        (128, "refused"),
        (7, "left with 7"),
    ],
)
def test_each_refusal_says_what_to_do(tmp_path: Path, status: int, said: str) -> None:
    with pytest.raises(SecretError, match=said):
        read(security(tmp_path, w="planted", status=status))


@pytest.mark.parametrize(("w", "g"), [("", ""), ("ff00", "password: 0xFF00  ...")])
def test_what_is_no_text_is_an_error(tmp_path: Path, w: str, g: str) -> None:
    with pytest.raises(SecretError, match=r"is empty|no UTF-8"):
        read(security(tmp_path, w=w, g=g))


def test_anywhere_else_it_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="on macOS only"):
        password("s", "a", security=security(tmp_path, w="x"), platform="linux")
