"""defaults, PlistBuddy, security, scutil, pmset, softwareupdate, systemsetup."""

import io
import os
import plistlib
from pathlib import Path

import pytest

from lab.mac.macos import (
    defaults,
    plist_buddy,
    pmset,
    scutil,
    security,
    softwareupdate,
    sw_vers,
    systemsetup,
)

LOGINWINDOW = "/Library/Preferences/com.apple.loginwindow"


def run(*words: str) -> int:
    return defaults.main(["defaults", *words])


def stored(root: Path, path: str) -> dict[str, object]:
    return dict(plistlib.loads((root / path.lstrip("/")).read_bytes()))


def test_defaults_writes_a_plist_with_the_type_asked_for(root: Path) -> None:
    assert run("write", LOGINWINDOW, "autoLoginUser", "claw") == 0
    assert run("write", LOGINWINDOW, "autoLoginUserScreenLocked", "-bool", "false") == 0
    assert run("write", LOGINWINDOW, "Retries", "-int", "3") == 0
    assert run("write", LOGINWINDOW, "Untyped", "1") == 0
    assert stored(root, f"{LOGINWINDOW}.plist") == {
        "autoLoginUser": "claw",
        "autoLoginUserScreenLocked": False,
        "Retries": 3,
        "Untyped": "1",
    }
    assert (root / f"{LOGINWINDOW}.plist".lstrip("/")).stat().st_mode & 0o777 == 0o644


def test_defaults_reads_back_booleans_as_digits(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("write", LOGINWINDOW, "x", "-bool", "YES")
    assert run("read", LOGINWINDOW, "x") == 0
    assert run("read-type", LOGINWINDOW, "x") == 0
    assert capsys.readouterr().out == "1\nType is boolean\n"


def test_a_missing_key_says_so_and_exits_1(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("write", LOGINWINDOW, "x", "1")
    assert run("read", LOGINWINDOW, "y") == 1
    message = capsys.readouterr().err
    assert f"The domain/default pair of ({LOGINWINDOW}, y) does not exist" in message
    assert run("read", "com.example.nothing") == 1
    assert "Domain com.example.nothing does not exist" in capsys.readouterr().err
    assert run("delete", LOGINWINDOW, "y") == 1


def test_defaults_shows_containers_in_old_style(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("write", "/tmp/x", "list", "-array", "a", "b c", "-int", "3")
    run("write", "/tmp/x", "table", "-dict", "k", "-bool", "true")
    assert run("read", "/tmp/x") == 0
    assert capsys.readouterr().out == (
        "{\n"
        "    list =     (\n"
        "        a,\n"
        '        "b c",\n'
        "        3\n"
        "    );\n"
        "    table =     {\n"
        "        k = 1;\n"
        "    };\n"
        "}\n"
    )


def test_array_add_and_dict_add_extend(root: Path) -> None:
    run("write", "/tmp/x", "l", "-array", "a")
    run("write", "/tmp/x", "l", "-array-add", "b")
    run("write", "/tmp/x", "d", "-dict-add", "k", "-int", "5")
    assert stored(root, "/tmp/x.plist") == {"l": ["a", "b"], "d": {"k": 5}}


def test_current_host_settings_live_apart(root: Path) -> None:
    assert run("-currentHost", "write", "com.apple.screensaver", "idleTime", "-int", "0") == 0
    assert run("read", "com.apple.screensaver", "idleTime") == 1
    assert run("-currentHost", "read", "com.apple.screensaver", "idleTime") == 0


def test_a_bad_boolean_changes_nothing(root: Path) -> None:
    assert run("write", "/tmp/x", "b", "-bool", "maybe") == 255
    assert not (root / "tmp/x.plist").exists()


def test_plistbuddy_adds_sets_prints_and_deletes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(root / "job.plist")

    def buddy(command: str) -> int:
        argv = ["PlistBuddy", "-c", command, "/job.plist"]
        return plist_buddy.main(argv)

    assert buddy("Add :Label string com.example") == 0
    assert buddy("Add :Env dict") == 0
    assert buddy("Add :Env:PATH string /bin") == 0
    assert buddy("Set :Label com.other") == 0
    capsys.readouterr()
    assert buddy("Print :Env:PATH") == 0
    assert capsys.readouterr().out == "/bin\n"
    assert buddy("Print :Nope") == 1
    assert capsys.readouterr().out == 'Print: Entry, ":Nope", Does Not Exist\n'
    assert buddy("Add :Label string x") == 1
    assert buddy("Delete :Env") == 0
    assert plistlib.loads(Path(file).read_bytes()) == {"Label": "com.other"}


class TestKeychain:
    """A user without root, whose session is unlocked or not."""

    @pytest.fixture(autouse=True)
    def user(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 501)
        monkeypatch.setattr("lab.mac.macos.preferences.home", lambda: "/Users/admin")

    def run(self, *words: str) -> int:
        return security.main(["security", *words])

    def create(self) -> None:
        assert self.run("create-keychain", "-p", "", "login.keychain") == 0

    def test_reading_a_secret_while_locked_is_not_allowed(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.create()
        assert self.run("add-generic-password", "-a", "me", "-s", "vault", "-w", "s3cret") == 0
        assert self.run("find-generic-password", "-a", "me", "-s", "vault", "-w") == 0
        assert capsys.readouterr().out == "s3cret\n"
        assert self.run("lock-keychain", "login.keychain") == 0
        assert self.run("find-generic-password", "-s", "vault", "-w") == 36
        assert "User interaction is not allowed." in capsys.readouterr().err
        assert self.run("show-keychain-info", "login.keychain") == 36
        assert self.run("unlock-keychain", "-p", "wrong", "login.keychain") == 51
        assert self.run("unlock-keychain", "-p", "", "login.keychain") == 0
        assert self.run("show-keychain-info", "login.keychain") == 0

    def test_the_unlocked_marker_is_what_a_session_sets(self, root: Path) -> None:
        self.create()
        marker = root / "private/var/run/keychain-unlocked-501"
        assert marker.exists()
        self.run("lock-keychain", "login.keychain")
        assert not marker.exists()
        marker.touch()
        assert self.run("show-keychain-info", "login.keychain") == 0

    def test_a_missing_item_exits_44(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.create()
        assert self.run("find-generic-password", "-s", "nothing", "-w") == 44
        assert capsys.readouterr().err == (
            "security: SecKeychainSearchCopyNext: "
            "The specified item could not be found in the keychain.\n"
        )

    def test_a_second_add_needs_update(self) -> None:
        self.create()
        words = ("add-generic-password", "-a", "me", "-s", "vault", "-w")
        assert self.run(*words, "one") == 0
        assert self.run(*words, "two") == 45
        assert self.run("add-generic-password", "-U", "-a", "me", "-s", "vault", "-w", "two") == 0

    def test_a_trailing_w_reads_the_secret_from_stdin(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.create()
        monkeypatch.setattr("sys.stdin", io.StringIO("typed\n"))
        assert self.run("add-generic-password", "-a", "me", "-s", "vault", "-w") == 0
        assert self.run("find-generic-password", "-s", "vault", "-w") == 0
        assert capsys.readouterr().out == "typed\n"

    def test_creating_twice_exits_48_and_an_absent_one_50(self) -> None:
        self.create()
        assert self.run("create-keychain", "-p", "", "login.keychain") == 48
        assert self.run("show-keychain-info", "/nowhere.keychain-db") == 50


def test_a_fresh_mac_has_no_host_name(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scutil.main(["scutil", "--get", "HostName"]) == 1
    assert capsys.readouterr().out == "HostName: not set\n"
    assert scutil.main(["scutil", "--set", "HostName", "keep"]) == 0
    assert scutil.main(["scutil", "--get", "HostName"]) == 0
    assert capsys.readouterr().out == "keep\n"


def test_pmset_keeps_settings_and_refuses_unknown_keys(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pmset.main(["pmset", "-a", "sleep", "0", "autorestart", "1"]) == 0
    assert pmset.main(["pmset", "-g", "custom"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "AC Power:"
    assert " sleep                0" in lines
    assert " autorestart          1" in lines
    assert " womp                 1" in lines
    assert pmset.main(["pmset", "-a", "slepp", "0"]) == 64


def test_pmset_needs_root(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert pmset.main(["pmset", "-a", "sleep", "0"]) == 1
    assert capsys.readouterr().err == "'pmset' must be run as root...\n"


def test_schedule_off_deletes_the_key_that_was_set_before(root: Path) -> None:
    domain = "/Library/Preferences/com.apple.SoftwareUpdate"
    run("write", domain, "AutomaticCheckEnabled", "-bool", "false")
    assert softwareupdate.main(["softwareupdate", "--schedule", "off"]) == 0
    assert "AutomaticCheckEnabled" not in stored(root, f"{domain}.plist")


def test_systemsetup_exits_0_on_errors(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert systemsetup.main(["systemsetup", "-setremotelogin", "on"]) == 0
    assert "requires Full Disk Access privileges" in capsys.readouterr().out
    assert systemsetup.main(["systemsetup", "-settimezone", "Nowhere/Land"]) == 0
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert systemsetup.main(["systemsetup", "-getremotelogin"]) == 0
    assert "You need administrator access" in capsys.readouterr().out


def test_the_product_is_a_sequoia(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sw_vers.main(["/usr/bin/sw_vers", "-productVersion"]) == 0
    assert sw_vers.main(["/usr/bin/sw_vers", "--productName"]) == 0
    assert capsys.readouterr().out == "15.7.1\nmacOS\n"


@pytest.mark.parametrize(("role", "state"), [("host", "enabled"), ("guest", "disabled")])
def test_sip_is_off_in_the_base_guest_only(
    root: Path, capsys: pytest.CaptureFixture[str], role: str, state: str
) -> None:
    folder = root / "System/Lab"
    folder.mkdir(parents=True)
    (folder / "machine.json").write_text(f'{{"role": "{role}", "name": "m"}}')
    assert sw_vers.main(["csrutil", "status"]) == 0
    assert capsys.readouterr().out == f"System Integrity Protection status: {state}.\n"


def test_softwareupdate_lists_full_installers_as_scripts_parse_them(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offered = root / "private/var/db/lab-installers"
    offered.parent.mkdir(parents=True, exist_ok=True)
    offered.write_text("Tahoe 26.1 25B78\nSequoia 15.7.2 24G325\n")
    assert softwareupdate.main(["softwareupdate", "--list-full-installers"]) == 0
    *_, first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("* Title: macOS Tahoe, Version: 26.1, Size: ")
    assert second.endswith("KiB, Build: 24G325, Deferred: NO")
