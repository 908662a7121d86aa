from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.mac.tart.directory_shares import parse, shares
from lab.mac.tart.errors import OtherError, UsageError
from lab.mac.virtualization.shares import AUTOMOUNT_TAG, Share


# The cases of tart's own DirecotryShareTests.swift.
@pytest.mark.parametrize(
    ("text", "name", "path", "read_only", "tag"),
    [
        ("build:/Users/admin/build", "build", "/Users/admin/build", False, AUTOMOUNT_TAG),
        ("build:/Users/admin/build:ro", "build", "/Users/admin/build", True, AUTOMOUNT_TAG),
        ("/Users/admin/build", None, "/Users/admin/build", False, AUTOMOUNT_TAG),
        ("/Users/admin/build:ro", None, "/Users/admin/build", True, AUTOMOUNT_TAG),
        ("/Users/admin/build:tag=foo-bar", None, "/Users/admin/build", False, "foo-bar"),
        ("/Users/admin/build:ro,tag=foo-bar", None, "/Users/admin/build", True, "foo-bar"),
        ("/Users/admin/build:tag=foo-bar,ro", None, "/Users/admin/build", True, "foo-bar"),
        ("https://example.com/a.tar.gz", None, "https://example.com/a.tar.gz", False,
         AUTOMOUNT_TAG),
        ("https://example.com/a.tar.gz:ro,tag=x", None, "https://example.com/a.tar.gz", True, "x"),
        ("name:https://example.com/a.tar.gz:ro,tag=x", "name", "https://example.com/a.tar.gz",
         True, "x"),
        ("x:/a:unknown", "x", "/a:unknown", False, AUTOMOUNT_TAG),
        ("x:/a:ro,unknown", "x", "/a", True, AUTOMOUNT_TAG),
    ],
)  # fmt: skip
def test_a_dir_option_reads_as_tart_reads_it(
    text: str, name: str | None, path: str, read_only: bool, tag: str
) -> None:
    one = parse(text)
    assert (one.name, one.path, one.read_only, one.tag) == (name, path, read_only, tag)


def test_a_tilde_is_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/Users/operator")
    assert parse("x:~/src").path == "/Users/operator/src"


def test_several_shares_must_all_be_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="each one of them should be named"):
        shares([f"a:{tmp_path}", f"{tmp_path}"])


def test_of_two_shares_with_one_name_the_last_wins(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert shares([f"a:{tmp_path}", f"a:{other}:ro"]) == [Share("a", str(other), True)]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OtherError, match="VZErrorDomain"):
        shares([f"a:{tmp_path}/none"])


@given(
    name=st.from_regex(r"[a-z]{1,8}", fullmatch=True),
    path=st.from_regex(r"(/[a-z ]{1,8}){1,4}", fullmatch=True),
    read_only=st.booleans(),
)
def test_named_shares_survive_being_written_and_read(name: str, path: str, read_only: bool) -> None:
    one = parse(f"{name}:{path}" + (":ro" if read_only else ""))
    assert (one.name, one.path, one.read_only) == (name, path, read_only)


@given(st.text(max_size=40))
def test_any_text_reads(text: str) -> None:
    parse(text)


def test_shares_appear_where_virtiofs_puts_them() -> None:
    assert Share("a", "/x", True).bind().target == "/Volumes/My Shared Files/a"
    assert Share("", "/x", False).bind().target == "/Volumes/My Shared Files"
    assert Share("a", "/x", True).bind().writable is False
