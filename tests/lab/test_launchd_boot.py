"""Boot, auto-login, the GUI session, and the ways down.

Sources: reference/macos.md §4.2, §5; the exit status 65 is the lab's own.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.mac.launchd import passwords
from tests.lab.launchd_machine import AGENTS, CHECKOUT, Machine, wait_for

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]
PROBE = "while :; do sleep 0.05; done"


@pytest.fixture
def mac() -> Iterator[Machine]:
    machine = Machine()
    try:
        yield machine
    finally:
        machine.discard()


def agent(mac: Machine, label: str, *command: str, **keys: object) -> Path:
    """Write a LaunchAgent of admin's own."""
    path = mac.plist(label, *command, folder=f"Users/admin/{AGENTS}", **keys)
    os.chown(path, 501, 20)
    return path


def has_session(mac: Machine) -> bool:
    return mac.launchctl("print", "gui/501").returncode == 0


def test_boot_loads_the_daemons_of_both_folders_and_skips_what_it_refuses(mac: Machine) -> None:
    mac.plist("apple", "/bin/sleep", "100", folder="System/Library/LaunchDaemons", RunAtLoad=True)
    mac.plist("own", "/bin/sleep", "100", RunAtLoad=True)
    mac.plist("writable", "/bin/sleep", "100", RunAtLoad=True).chmod(0o666)
    mac.boot()
    assert mac.field("apple", "state") == "running"
    assert mac.field("own", "state") == "running"
    assert not mac.loaded("writable")
    assert "writable.plist: 122" in mac.log


def test_the_first_job_runs_within_a_second_of_power_on(mac: Machine) -> None:
    mac.plist("first", f"touch {mac.root}/out/first", RunAtLoad=True)
    began = time.time()
    mac.boot()
    wait_for((mac.root / "out/first").exists, "the first job")
    assert (mac.root / "out/first").stat().st_mtime - began < 1


def test_auto_login_brings_up_the_gui_session_with_all_agents(mac: Machine) -> None:
    mac.auto_login()
    mac.plist("everyone", "/bin/sleep", "100", folder=AGENTS, RunAtLoad=True)
    out = mac.root / "out/agent"
    agent(mac, "mine", "id -u; echo $HOME; echo $TMPDIR; echo $USER", RunAtLoad=True,
          LimitLoadToSessionType="Aqua", StandardOutPath=str(out))  # fmt: skip
    agent(mac, "background", "/bin/sleep", "1", LimitLoadToSessionType="Background")
    mac.boot()
    wait_for(lambda: mac.out("agent").count("\n") == 4, "the agent's output")
    expected = "501\n/Users/admin\n/var/folders/zz/u501/T/\nadmin\n"
    assert mac.out("agent") == expected
    assert mac.field("everyone", "state", "gui/501") == "running"
    assert not mac.loaded("background", "gui/501")
    missing = mac.launchctl("print", "gui/501/never")
    assert missing.returncode == 113
    assert 'Could not find service "never" in domain for user gui: 501' in missing.stderr


@pytest.mark.parametrize(
    ("kcpassword", "mode"),
    [(bytes.fromhex("1ced3f4abdbc"), 0o600), (b"", 0o600),
     (bytes.fromhex("1ced3f4abcbcba2ccaca4e82"), 0o644)],
    ids=["another password", "empty", "readable by others"],
)  # fmt: skip
def test_a_wrong_kcpassword_leaves_the_machine_at_the_login_window(
    mac: Machine, kcpassword: bytes, mode: int
) -> None:
    mac.auto_login(kcpassword, mode)
    agent(mac, "mine", "/bin/sleep", "100", RunAtLoad=True)
    mac.boot()
    wait_for(lambda: "stuck at the login window" in mac.log, "the verdict")
    assert not has_session(mac)


def test_a_rotated_password_without_kcpassword_means_no_session_after_a_reboot(
    mac: Machine,
) -> None:
    mac.auto_login()
    mac.boot()
    wait_for(lambda: has_session(mac), "the session")
    shadow = mac.root / "private/etc/shadow"
    shadow.write_text(shadow.read_text().replace("admin:$6$lab$", "admin:$6$lab$X"))
    mac.power_off()
    mac.boot()
    wait_for(lambda: "the password does not match" in mac.log, "the verdict")
    assert not has_session(mac)


def test_auto_login_unlocks_the_login_keychain_until_root_changes_the_password(
    mac: Machine,
) -> None:
    """The keychain keeps its password. Source: reference/macos.md §5, reference/tart.md §4."""
    mac.auto_login()
    mac.boot()
    marker = mac.root / "private/var/run/keychain-unlocked-501"
    wait_for(marker.exists, "the unlocked keychain")
    assert marker.stat().st_uid == 501
    keychain = mac.root / "Users/admin/Library/Keychains/login.keychain-db"
    assert (keychain.stat().st_uid, keychain.stat().st_mode & 0o777) == (501, 0o600)
    mac.launchctl("bootout", "gui/501")
    wait_for(lambda: not marker.exists(), "the lock at logout")
    mac.power_off()
    shadow = mac.root / "private/etc/shadow"
    shadow.write_text(f"admin:{passwords.hashed('other')}:1::::::\n")
    plain = b"other" + bytes(7)
    key = bytes.fromhex("7D895223D2BCDDEAA3B91F") + b"\x7d"
    mac.auto_login(bytes(a ^ b for a, b in zip(plain, key, strict=True)))
    mac.boot()
    wait_for(lambda: has_session(mac), "the session")
    wait_for(lambda: "it stays locked" in mac.log, "the verdict")
    assert not marker.exists()


def test_a_user_owns_the_gui_domain_and_no_other(mac: Machine) -> None:
    mac.auto_login()
    mac.boot()
    wait_for(lambda: has_session(mac), "the session")
    path = str(agent(mac, "own", "/bin/sleep", "100", RunAtLoad=True))
    assert mac.launchctl("bootstrap", "gui/501", path, uid=501).returncode == 0
    assert mac.field("own", "state", "gui/501") == "running"
    assert mac.launchctl("bootout", "gui/501/own", uid=502).returncode == 1
    os.chown(path, 502, 20)
    assert mac.launchctl("bootout", "gui/501/own", uid=501).returncode == 0
    wait_for(lambda: not mac.loaded("own", "gui/501"), "the end")
    assert mac.launchctl("bootstrap", "gui/501", path, uid=501).returncode == 5
    assert mac.launchctl("bootstrap", "gui/501", path).returncode == 122


def test_the_end_of_the_session_takes_its_agents_down(mac: Machine) -> None:
    mac.auto_login()
    out = mac.root / "out/agent"
    agent(mac, "mine", f"trap 'echo term >> {out}; exit' TERM; echo up > {out}; {PROBE}",
          KeepAlive=True)  # fmt: skip
    mac.boot()
    wait_for(lambda: mac.out("agent"), "the agent")
    assert mac.launchctl("bootout", "gui/501").returncode == 0
    wait_for(lambda: not has_session(mac), "the end of the session")
    assert mac.out("agent") == "up\nterm\n"


def test_the_machine_survives_the_removal_of_a_user_who_is_logged_in(mac: Machine) -> None:
    mac.auto_login()
    agent(mac, "mine", "/bin/sleep", "100", KeepAlive=True, ThrottleInterval=0)
    mac.boot()
    wait_for(lambda: mac.field("mine", "state", "gui/501") == "running", "the agent")
    (mac.root / "passwd").write_text("root:x:0:0:root:/var/root:/bin/sh\n")
    mac.launchctl("kill", "KILL", "gui/501/mine")
    wait_for(lambda: "internal error" in mac.log, "the failure to spawn")
    assert mac.launchctl("print", "system").returncode == 0


def test_managername_tells_root_ssh_and_gui_apart(mac: Machine) -> None:
    mac.auto_login()
    mac.boot()
    wait_for(lambda: has_session(mac), "the session")
    assert mac.launchctl("managername").stdout == "System\n"
    assert mac.launchctl("managername", uid=501).stdout == "Background\n"
    runner = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r});"
        "from lab.mac.launchd import launchctl as m;"
        "sys.exit(m.main(['launchctl', *sys.argv[1:]]))"
    )
    python = os.path.realpath("/usr/bin/python3")
    nested = [python, "-c", runner]
    visited = mac.inside(*nested, "asuser", "501", *nested, "managername")
    assert (visited.stdout, visited.stderr) == ("Aqua\n", "")
    refused = mac.launchctl("asuser", "501", "/usr/bin/true", uid=501)
    assert refused.returncode == 1


def test_disable_survives_a_reboot(mac: Machine) -> None:
    mac.plist("off", "/bin/sleep", "100", RunAtLoad=True)
    mac.boot()
    mac.launchctl("disable", "system/off")
    assert mac.field("off", "state") == "running"
    mac.power_off()
    mac.boot()
    assert not mac.loaded("off")
    assert mac.launchctl("print", "system").stdout.count('"off" => disabled') == 1


@pytest.mark.parametrize(
    ("module", "argv", "status"),
    [
        ("shutdown", ["shutdown", "-h", "now"], 0),
        ("shutdown", ["shutdown", "-r", "now"], 65),
        ("launchctl", ["launchctl", "reboot", "halt"], 0),
        ("launchctl", ["launchctl", "reboot"], 65),
        ("reboot", ["reboot"], 65),
        ("halt", ["halt"], 0),
    ],
)
def test_every_orderly_way_down_asks_the_jobs_first(
    mac: Machine, module: str, argv: list[str], status: int
) -> None:
    mac.plist("polite", f"trap 'echo bye > {mac.root}/out/bye; exit' TERM; echo x > "
              f"{mac.root}/out/up; {PROBE}", KeepAlive=True)  # fmt: skip
    mac.boot()
    wait_for(lambda: mac.out("up"), "the job")
    assert mac.run(module, *argv).returncode == 0
    assert mac.exit_status() == status
    assert mac.out("bye") == "bye\n"


def test_only_root_shuts_down(mac: Machine) -> None:
    mac.boot()
    refused = mac.run("shutdown", "shutdown", "-h", "now", uid=501)
    assert (refused.returncode, refused.stderr) == (1, "shutdown: NOT super-user\n")
    assert mac.run("reboot", "reboot", uid=501).returncode == 1
    assert mac.launchctl("print", "system").returncode == 0


def test_sigterm_to_process_1_is_an_orderly_halt(mac: Machine) -> None:
    mac.plist("polite", f"trap 'echo bye > {mac.root}/out/bye; exit' TERM; echo x > "
              f"{mac.root}/out/up; {PROBE}", RunAtLoad=True)  # fmt: skip
    mac.boot()
    wait_for(lambda: mac.out("up"), "the job")
    os.kill(mac.pid1, 15)
    assert mac.exit_status() == 0
    assert mac.out("bye") == "bye\n"


def test_a_job_that_ignores_sigterm_is_killed_after_a_few_seconds_of_shutdown(
    mac: Machine,
) -> None:
    mac.plist("deaf", f"trap '' TERM; echo x > {mac.root}/out/up; {PROBE}", RunAtLoad=True)
    mac.boot()
    wait_for(lambda: mac.out("up"), "the job")
    began = time.monotonic()
    mac.run("halt", "halt")
    assert mac.exit_status(timeout=20) == 0
    assert 4 < time.monotonic() - began < 15


def test_power_off_gives_no_job_a_chance(mac: Machine) -> None:
    mac.plist("polite", f"trap 'echo bye > {mac.root}/out/bye; exit' TERM; echo x > "
              f"{mac.root}/out/up; {PROBE}", RunAtLoad=True)  # fmt: skip
    mac.boot()
    wait_for(lambda: mac.out("up"), "the job")
    mac.power_off()
    assert mac.out("bye") == ""
