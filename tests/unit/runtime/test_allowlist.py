"""Whatever NanoClaw's own rules block is blocked here, and some more.

The first test's model of those rules is written from the facts, not from the code under test.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roles.agent.guest.runtime.allowlist import (
    Allowlist,
    BlockedError,
    Root,
    Whose,
    check,
    parse,
    read,
)

DEFAULTS = shlex.split(
    ".ssh .gnupg .gpg .aws .azure .gcloud .kube .docker credentials .env .netrc .npmrc"
    " .pypirc id_rsa id_ed25519 private_key .secret"
)


def exact(config: dict[str, Any], source: str, wants_write: bool, main: bool) -> tuple[bool, bool]:
    """NanoClaw's rules (reference/nanoclaw.md §1.9): whether a mount is allowed, and writable."""
    if not os.path.exists(source):
        return False, False
    real = os.path.realpath(source)
    patterns = [*DEFAULTS, *config["blockedPatterns"]]
    if any(pattern in part for part in [*real.split("/"), real] for pattern in patterns):
        return False, False
    for root in config["allowedRoots"]:
        if not os.path.exists(root["path"]):
            continue
        below = os.path.relpath(real, os.path.realpath(root["path"]))
        if not below.startswith(".."):
            writable = root["allowReadWrite"] and (main or not config["nonMainReadOnly"])
            return True, wants_write and writable
    return False, False


def ours(config: dict[str, Any], source: str, wants_write: bool, whose: Whose) -> tuple[bool, bool]:
    try:
        return True, check(parse(config), source, wants_write, whose).writable
    except BlockedError:
        return False, False


NAMES = ["a", "b", "A", "tokens-of-love", ".environments", ".SSH", "..c", "ﬁle", "Credentials"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two levels of awkward names, links among and out of them, one that is broken."""
    top = tmp_path_factory.mktemp("tree").resolve()
    for outer in NAMES:
        for inner in NAMES:
            (top / outer / inner).mkdir(parents=True)
        (top / outer / "up").symlink_to(top / "b")
        (top / outer / "key").symlink_to(top / "a" / ".SSH")
        (top / outer / "out").symlink_to("/etc")
        (top / outer / "broken").symlink_to(top / "nowhere")
    return top


PLACES = st.lists(st.sampled_from([*NAMES, "up", "key", "out", "broken", "absent", "..", "."]),
                  max_size=3)  # fmt: skip
CONFIGS = st.fixed_dictionaries({
    "allowedRoots": st.lists(st.fixed_dictionaries({
        "path": PLACES.map("/".join), "allowReadWrite": st.booleans()}), max_size=3),
    "blockedPatterns": st.lists(st.sampled_from(["token", "A", "", "fi", "xyz"]), max_size=2),
    "nonMainReadOnly": st.booleans(),
})  # fmt: skip


@given(CONFIGS, PLACES, st.booleans(), st.booleans())
def test_nothing_is_allowed_that_nanoclaw_blocks(
    tree: Path, config: dict[str, Any], place: list[str], wants_write: bool, main: bool
) -> None:
    for root in config["allowedRoots"]:
        root["path"] = f"{tree}/{root['path']}"
    source = "/".join([str(tree), *place])
    whose = Whose("/home/claw", "/opt/nanoclaw", main)
    allowed, writable = ours(config, source, wants_write, whose)
    may, may_write = exact(config, source, wants_write, main)
    assert (allowed, writable) <= (may, may_write)
    assert not writable or may_write
    assert not allowed or may


def listed(path: Path | str, *, writable: bool = True, patterns: tuple[str, ...] = ()) -> Allowlist:
    return parse({
        "allowedRoots": [{"path": str(path), "allowReadWrite": writable}],
        "blockedPatterns": list(patterns),
        "nonMainReadOnly": True,
    })  # fmt: skip


def whose(home: Path | str = "/Users/claw", *, main: bool = False) -> Whose:
    return Whose(str(home), "/opt/nanoclaw", main)


def test_what_the_list_names_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    source = str(tmp_path / "in")
    real = os.path.realpath(source)
    assert check(listed(tmp_path), source, True, whose()) == Root(real, False)
    assert check(listed(tmp_path), source, True, whose(main=True)) == Root(real, True)
    assert check(listed(tmp_path), source, False, whose(main=True)) == Root(real, False)
    assert check(listed(source), source, False, whose()) == Root(real, False)
    read_only = listed(tmp_path, writable=False)
    assert check(read_only, source, True, whose(main=True)) == Root(real, False)


def test_every_root_that_holds_a_folder_must_let_it_be_written(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    roots = (Root(str(tmp_path), True), Root(str(tmp_path / "in"), False))
    for order in (roots, roots[::-1]):
        known = Allowlist(order, (), others_read_only=False)
        assert not check(known, str(tmp_path / "in"), True, whose()).writable


def test_a_root_may_be_below_home(tmp_path: Path) -> None:
    (tmp_path / "projects" / "x").mkdir(parents=True)
    known = listed("~/projects")
    assert check(known, str(tmp_path / "projects" / "x"), False, whose(tmp_path)).path
    with pytest.raises(BlockedError, match="none of the allowed roots"):
        check(listed("projects"), str(tmp_path / "projects" / "x"), False, whose(tmp_path))


BLOCKED = [
    ("x/.ssh", "'.ssh'"),
    ("x/.SSH/deep", "'.ssh'"),  # a Mac's disk finds .ssh there
    ("x/My.EnvironMents", "'.env'"),
    ("x/ıd_rsa.bak", None),  # a Turkish dotless i is another letter  # noqa: RUF001
    ("x/Id_RSA.bak", "'id_rsa'"),
    ("x/ｃredentials", "'credentials'"),  # one letter in full width  # noqa: RUF001
    ("x/my-tokens", "'token'"),
    ("x/Keychains", "'keychains'"),
    ("x/.claude/projects", "'.claude'"),
    ("x/LaunchAgents", "'launchagents'"),
    ("x/plain", None),
]


@pytest.mark.parametrize(("place", "why"), BLOCKED)
def test_names_are_compared_as_a_macs_disk_does(
    tmp_path: Path, place: str, why: str | None
) -> None:
    (tmp_path / place).mkdir(parents=True)
    known = listed(tmp_path, patterns=("token",))
    if why is None:
        assert check(known, str(tmp_path / place), False, whose())
        return
    with pytest.raises(BlockedError, match=why):
        check(known, str(tmp_path / place), False, whose())


def test_a_link_counts_by_its_name_and_by_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "in" / ".ssh").mkdir(parents=True)
    (tmp_path / "in" / "plain").mkdir()
    (tmp_path / "outside").mkdir()
    for name, target in (("innocent", ".ssh"), (".aws", "plain"), ("away", "../outside")):
        (tmp_path / "in" / name).symlink_to(target)
    (tmp_path / "way").symlink_to("in")
    known = listed(tmp_path / "in")
    for name, why in (("innocent", "'.ssh'"), (".aws", "'.aws'"), ("away", "none of the allowed")):
        with pytest.raises(BlockedError, match=why):
            check(known, str(tmp_path / "in" / name), False, whose())
    assert check(known, str(tmp_path / "way" / "plain"), False, whose()).path == os.path.realpath(
        tmp_path / "in" / "plain"
    )


def test_what_a_path_says_in_a_roundabout_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for source in (f"{tmp_path}/in/../in", f"{tmp_path}/in:x", f"{tmp_path}/absent"):
        with pytest.raises(BlockedError):
            check(listed(tmp_path), source, False, whose())


@pytest.mark.parametrize(
    "path",
    ["/", "/etc", "/private/etc", "/private/var/db", "/usr/local", "/System/Volumes/Data/etc",
     "/Users", "/Users/claw", "/Users/other", "/Users/claw/Library/Mail", "/Users/x/.config",
     "/USERS/CLAW/LIBRARY", "/Volumes/Backup", "/opt/nanoclaw", "/opt/nanoclaw/state/groups",
     "/opt", "/opt/homebrew/bin", "/Library/LaunchDaemons", "/dev", "/private/tmp"],
)  # fmt: skip
def test_no_list_opens_the_system_or_the_keep(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    # These are a Mac's folders; here they need not be.
    monkeypatch.setattr(os, "stat", lambda *_, **__: None)
    monkeypatch.setattr(os.path, "exists", lambda _: True)
    with pytest.raises(BlockedError, match="system or the keep"):
        check(listed("/"), path, False, whose(main=True))
    below = str(PurePosixPath("/Users/claw/projects/x"))
    assert check(listed("/"), below, True, whose(main=True)) == Root(below, True)


GOOD: dict[str, Any] = {"allowedRoots": [], "blockedPatterns": [], "nonMainReadOnly": True}
WRONG: tuple[dict[str, Any], ...] = (
    {"allowedRoots": None}, {"allowedRoots": {}}, {"allowedRoots": ["/x"]},
    {"allowedRoots": [{}]}, {"allowedRoots": [{"path": 7}]},
    {"allowedRoots": [{"path": "/x", "allowReadWrite": "false"}]},
    {"allowedRoots": [{"path": "/x", "allowReadWrite": 1}]},
    {"blockedPatterns": "x"}, {"blockedPatterns": [7]}, {"blockedPatterns": [None]},
    {"nonMainReadOnly": 1}, {"nonMainReadOnly": "true"}, {"nonMainReadOnly": None},
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"\xef\xbb\xbf" + json.dumps(GOOD).encode(), b"\xff", b"[" * 99_999]
    + [json.dumps(GOOD | change).encode() for change in WRONG]
    + [json.dumps({k: v for k, v in GOOD.items() if k != gone}).encode() for gone in GOOD],
)  # fmt: skip
def test_a_list_that_is_not_right_is_none(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "mount-allowlist.json"
    path.write_bytes(text)
    path.chmod(0o600)
    with pytest.raises(BlockedError, match=r"mount-allowlist\.json"):
        read(str(path), os.getuid())
    path.write_text(json.dumps(GOOD))
    assert read(str(path), os.getuid()).others_read_only


def test_a_list_that_others_can_write_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mount-allowlist.json"
    path.write_text(json.dumps(GOOD))
    path.chmod(0o620)
    with pytest.raises(BlockedError, match="others may write it"):
        read(str(path), os.getuid())
    path.chmod(0o600)
    if os.getuid() == 0:
        os.chown(path, 12345, -1)
        with pytest.raises(BlockedError, match="others may write it"):
            read(str(path), os.getuid())
    with pytest.raises(BlockedError, match="no mount allowlist"):
        read(str(tmp_path / "absent.json"), os.getuid())
