"""Mounts: names and host folders that `tart run --dir` reads as they were meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.model import Mount, mount_conflicts, parse_mount


def mount(name: str, path: str) -> Mount:
    return Mount(name=name, path=path)


@pytest.mark.parametrize(
    ("text", "name", "path", "read_only"),
    [
        ("groups:~/claw/groups:ro", "groups", "~/claw/groups", True),
        ("ipc:/srv/ipc", "ipc", "/srv/ipc", False),
        ("a.b-c_1:/Users/x/My Files/y:ro", "a.b-c_1", "/Users/x/My Files/y", True),
    ],
)
def test_the_dir_form_is_read(text: str, name: str, path: str, read_only: bool) -> None:
    parsed = parse_mount(text)
    assert (parsed.name, parsed.path, parsed.read_only) == (name, path, read_only)
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/srv/ipc", "has no name"),
        ("~/ipc:ro", "has no name"),
        ("ipc", "has no name"),
        ("ipc:/srv/a:b", "holds a colon"),
        ("ipc:/srv/a:ro:ro", "holds a colon"),
        ("ipc:/srv/a:tag=x", "holds a colon"),
        ("ipc:srv", "must begin with"),
        ("ipc:~x/y", "must begin with"),
        ("ipc:/srv/../etc", "written plainly"),
        ("ipc:/srv//x", "written plainly"),
        ("ipc:/srv/x/", "written plainly"),
        ("ipc:/srv/./x", "written plainly"),
        ("ipc:~/", "written plainly"),
        ("ipc:/", "whole home or system folder"),
        ("ipc:/Users/operator", "whole home or system folder"),
        ("ipc:/private/etc", "whole home or system folder"),
        ("ipc:~/.ssh", "where secrets live"),
        ("ipc:~/.SSH/x", "where secrets live"),
        ("ipc:~/Library/Keychains", "where secrets live"),
        ("ipc:~/.tart/vms", "where secrets live"),
        ("ipc:~/a\nb", "U\\+000A"),
        ("i pc:/srv/x", "cannot name a mount"),
        (".ipc:/srv/x", "cannot name a mount"),
        (":/srv/x", "cannot name a mount"),
    ],
)
def test_what_tart_or_the_operator_would_misread_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_mount(text)


def test_the_guest_finds_a_mount_in_its_shared_folder() -> None:
    assert str(mount("ipc", "/srv/ipc").guest_path) == "/Volumes/My Shared Files/ipc"


def test_home_is_put_in_only_when_it_is_known() -> None:
    assert mount("ipc", "~/claw/ipc").at("/Users/me") == "/Users/me/claw/ipc"
    assert mount("ipc", "/srv/ipc").at("/Users/me") == "/srv/ipc"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "/srv/x"), ("A", "/srv/y")),
        (("a", "/srv/x"), ("b", "/srv/x")),
        (("a", "/srv/x"), ("b", "/srv/x/y/z")),
        (("a", "/srv/x/y"), ("b", "/srv/x")),
        (("a", "/srv/X"), ("b", "/srv/x/y")),
        (("a", "/tmp/x"), ("b", "/private/tmp/x")),
        (("a", "/srv/\u00e4"), ("b", "/srv/a\u0308")),
        (("a", "~/x"), ("b", "/Users/me/x")),
    ],
)
def test_mounts_that_meet_are_a_conflict(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert len(list(mount_conflicts([mount(*one), mount(*other)], "/Users/me"))) == 1


def test_neighbours_are_no_conflict() -> None:
    mounts = [mount("a", "/srv/x"), mount("b", "/srv/xy"), mount("c", "~/x")]
    assert list(mount_conflicts(mounts, "/Users/me")) == []


@given(st.text(max_size=60))
def test_any_text_is_a_mount_or_a_value_error(text: str) -> None:
    try:
        parsed = parse_mount(text)
    except ValueError:
        return
    assert parse_mount(str(parsed)) == parsed
    assert ":" not in parsed.path
