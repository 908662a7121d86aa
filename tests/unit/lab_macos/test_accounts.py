"""Accounts: the node, its tools and their bad habits."""

import io
import os
import re
from pathlib import Path

import pytest

from lab.mac.macos import (
    createhomedir,
    directory,
    dscl,
    dseditgroup,
    opendirectoryd,
    passwords,
    sysadminctl,
)

SYSADMINCTL_LINE = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} sysadminctl\[\d+:\d+\] (?P<text>.*)"
)


def add_claw(*extra: str) -> int:
    words = ["-addUser", "claw", "-fullName", "Claw", "-password", "pw", "-home", "/Users/claw"]
    return sysadminctl.main(["sysadminctl", *words, "-shell", "/bin/zsh", *extra])


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [match["text"] for line in lines if (match := SYSADMINCTL_LINE.fullmatch(line))]


def test_a_password_verifies_against_its_hash_and_no_other() -> None:
    hashed = passwords.hash("admin")
    assert hashed.startswith("$6$rounds=5000$")
    assert passwords.verify("admin", hashed)
    assert not passwords.verify("Admin", hashed)
    assert not passwords.verify("", "*")


def test_sysadminctl_adds_a_user_that_libc_reads(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add_claw("-admin") == 0
    assert "claw:x:502:20:Claw:/Users/claw:/bin/zsh" in (root / "private/etc/passwd").read_text()
    assert "admin:*:80:root,admin,claw" in (root / "private/etc/group").read_text()
    assert passwords.verify("pw", directory.load().users["claw"].password)
    assert said(capsys)[-2:] == [
        "Assigning UID: 502 GID: 20",
        "Home directory is assigned (not created!) at /Users/claw",
    ]
    assert not (root / "Users/claw").exists()


def test_sysadminctl_exits_0_although_the_user_exists(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add_claw()
    capsys.readouterr()
    assert add_claw() == 0
    assert any(text.startswith("### Error:-14135") for text in said(capsys))


def test_sysadminctl_reads_a_dash_password_from_stdin(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from stdin\n"))
    sysadminctl.main(["sysadminctl", "-addUser", "claw", "-password", "-", "-home", "/Users/claw"])
    assert passwords.verify("from stdin", directory.load().users["claw"].password)


def test_sysadminctl_autologin_fails_with_error_22_and_exits_0(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["-autologin", "set", "-userName", "claw", "-password", "pw"]
    assert sysadminctl.main(["sysadminctl", *words]) == 0
    assert said(capsys) == ["SACSetAutoLoginPassword error:22"]


def test_sysadminctl_refuses_who_is_not_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert add_claw() == 1
    assert "claw" not in directory.load().users


def test_sysadminctl_deletes_user_home_and_memberships(root: Path) -> None:
    add_claw("-admin")
    createhomedir.main(["createhomedir", "-c", "-u", "claw"])
    assert sysadminctl.main(["sysadminctl", "-deleteUser", "claw"]) == 0
    assert "claw" not in directory.load().users
    assert "claw" not in directory.load().members(directory.load().groups["admin"])
    assert not (root / "Users/claw").exists()


def test_createhomedir_makes_the_home_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_claw()
    assert createhomedir.main(["createhomedir", "-c", "-u", "claw"]) == 0
    assert (root / "Users/claw/Library/Preferences").is_dir()
    assert "created (/Users/claw)" in capsys.readouterr().out
    assert createhomedir.main(["createhomedir", "-c", "-u", "claw"]) == 0
    assert "created (/Users/claw)" not in capsys.readouterr().out


def test_dscl_says_record_not_found_and_exits_56(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dscl.main(["dscl", ".", "-read", "/Users/nobody-here"]) == 56
    assert capsys.readouterr().err == "<dscl_cmd> DS Error: -14136 (eDSRecordNotFound)\n"


def test_dscl_folds_values_with_spaces(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["-read", "/Users/admin", "UniqueID", "RealName", "Nothing"]
    assert dscl.main(["dscl", ".", *words]) == 0
    captured = capsys.readouterr()
    assert captured.out == "UniqueID: 501\nRealName:\n Managed via Tart\n"
    assert captured.err == "No such key: Nothing\n"


def test_a_user_made_with_dscl_exists_for_libc_once_it_has_an_id(root: Path) -> None:
    def create(*words: str) -> int:
        return dscl.main(["dscl", ".", "-create", "/Users/claw", *words])

    assert create() == 0
    assert "claw" not in (root / "private/etc/passwd").read_text()
    create("UserShell", "/bin/zsh")
    create("RealName", "The", "Claw")
    create("UniqueID", "510")
    create("PrimaryGroupID", "20")
    create("NFSHomeDirectory", "/Users/claw")
    assert "claw:x:510:20:The:/Users/claw:/bin/zsh" in (root / "private/etc/passwd").read_text()


def test_dscl_refuses_a_taken_id_with_55(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dscl.main(["dscl", ".", "-create", "/Users/claw", "UniqueID", "501"]) == 55
    assert "DS Error: -14135 (eDSRecordAlreadyExists)" in capsys.readouterr().err
    assert "claw" not in directory.load().users


def test_dscl_keeps_attributes_that_passwd_has_no_field_for(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dscl.main(["dscl", ".", "-create", "/Users/admin", "IsHidden", "1"])
    assert dscl.main(["dscl", ".", "-read", "/Users/admin", "IsHidden"]) == 0
    assert capsys.readouterr().out == "IsHidden: 1\n"
    assert dscl.main(["dscl", ".", "-delete", "/Users/admin", "IsHidden"]) == 0
    assert "IsHidden" not in directory.load().users["admin"].attributes


def test_dscl_lists_names_and_columns(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dscl.main(["dscl", ".", "-list", "/Users", "UniqueID"])
    assert capsys.readouterr().out == "admin  501\nroot   0\n"
    dscl.main(["dscl", ".", "-list", "/Groups"])
    assert capsys.readouterr().out == "admin\ncom.apple.access_ssh\nstaff\nwheel\n"


def test_dscl_authonly_checks_the_password(root: Path) -> None:
    dscl.main(["dscl", ".", "-passwd", "/Users/admin", "new"])
    assert dscl.main(["dscl", ".", "-authonly", "admin", "new"]) == 0
    assert dscl.main(["dscl", ".", "-authonly", "admin", "old"]) == 10


def test_dscl_writes_only_as_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert dscl.main(["dscl", ".", "-create", "/Users/claw"]) == 40


def test_dseditgroup_adds_once_and_answers_checkmember(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> int:
        return dseditgroup.main(["dseditgroup", *words])

    add_claw()
    check = ("-o", "checkmember", "-m", "claw", "com.apple.access_ssh")
    assert run(*check) == 67
    assert run("-o", "edit", "-a", "claw", "-t", "user", "com.apple.access_ssh") == 0
    assert run("-o", "edit", "-a", "claw", "-t", "user", "com.apple.access_ssh") == 0
    assert run(*check) == 0
    assert capsys.readouterr().out == (
        "no claw is NOT a member of com.apple.access_ssh\n"
        "yes claw is a member of com.apple.access_ssh\n"
    )
    assert "com.apple.access_ssh:*:399:claw\n" in (root / "private/etc/group").read_text()
    assert run("-o", "edit", "-a", "claw", "-t", "user", "no-such-group") == 64
    assert run("-o", "edit", "-a", "no-such-user", "-t", "user", "admin") == 64


def test_a_group_created_is_readable_and_can_be_deleted(root: Path) -> None:
    assert dseditgroup.main(["dseditgroup", "-o", "create", "-i", "600", "keepers"]) == 0
    assert "keepers:*:600:\n" in (root / "private/etc/group").read_text()
    assert dscl.main(["dscl", ".", "-delete", "/Groups/keepers"]) == 0
    assert "keepers" not in directory.load().groups


def test_a_user_is_gone_after_a_hard_stop_without_flush(root: Path) -> None:
    assert opendirectoryd.start("boot 1") == "seeded"
    add_claw("-admin")
    assert opendirectoryd.start("boot 2") == "restored"
    node = directory.load()
    assert "claw" not in node.users
    assert "claw" not in node.members(node.groups["admin"])


def test_a_user_survives_a_hard_stop_after_opendirectoryd_was_killed(root: Path) -> None:
    opendirectoryd.start("boot 1")
    add_claw()
    opendirectoryd.finish("boot 1")
    assert opendirectoryd.start("boot 1") == "kept"
    assert opendirectoryd.start("boot 2") == "restored"
    assert directory.load().users["claw"].first("UniqueID") == "502"


def test_an_edit_while_opendirectoryd_restarts_is_not_lost(root: Path) -> None:
    opendirectoryd.start("boot 1")
    opendirectoryd.finish("boot 1")
    add_claw()
    assert opendirectoryd.start("boot 1") == "kept"
    assert "claw" in directory.load().users


def test_killing_opendirectoryd_hard_loses_what_it_held(root: Path) -> None:
    opendirectoryd.start("boot 1")
    add_claw()
    assert opendirectoryd.start("boot 1") == "restored"
    assert "claw" not in directory.load().users
