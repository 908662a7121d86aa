"""The host is a fresh Mac mini: its users, its shells, its sshd, and what it has not."""

import hashlib
import json
import os
import plistlib
import subprocess
import threading
import time
from pathlib import Path

import pytest

from lab.image.login import kcpassword
from lab.keys import image_host_keys
from lab.lab import Lab
from lab.state import LabError

pytestmark = pytest.mark.lab

NOT_ON_A_MAC = (
    "apt", "apt-get", "dpkg", "flock", "getent", "gsed", "ip", "node", "npm", "nft", "setfacl",
    "sha256sum", "socat", "squid", "ss", "systemctl", "timeout", "useradd", "wget", "iptables",
)  # fmt: skip
ON_A_MAC = (
    "awk", "bash", "cat", "chown", "curl", "find", "git", "grep", "launchctl", "lsof", "nc",
    "openssl", "perl", "pfctl", "ping", "plutil", "ps", "python3", "scp", "sed", "sh", "shasum",
    "sshd", "sudo", "sw_vers", "tar", "visudo", "which", "zsh",
)  # fmt: skip


def ssh(lab: Lab, *command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        lab.ssh(*command), input=stdin, capture_output=True, timeout=60, check=False
    )


def test_the_operator_reaches_the_host_through_the_forwarder(lab: Lab) -> None:
    answer = ssh(lab, "id -un; echo $SSH_CONNECTION")

    user, connection = answer.stdout.decode().splitlines()
    assert user == "operator"
    assert connection.startswith("10.0.10.1 ")
    assert connection.endswith(" 10.0.10.2 22")


def test_the_forwarder_carries_exit_codes_and_megabytes_both_ways(lab: Lab) -> None:
    data = os.urandom(8 * 1024 * 1024)

    echoed = ssh(lab, "cat; exit 5", stdin=data)

    assert echoed.returncode == 5
    assert hashlib.sha256(echoed.stdout).digest() == hashlib.sha256(data).digest()


def test_the_forwarder_serves_many_at_once(lab: Lab) -> None:
    runs = [subprocess.Popen(lab.ssh("echo", str(n)), stdout=-1, stdin=-3) for n in range(8)]

    answers = [run.communicate(timeout=60)[0] for run in runs]

    assert answers == [f"{n}\n".encode() for n in range(8)]


def test_an_ssh_command_gets_the_bare_path_of_launchd(lab: Lab) -> None:
    environment = dict(
        line.split("=", 1) for line in ssh(lab, "/usr/bin/env").stdout.decode().splitlines()
    )

    assert environment["PATH"] == "/usr/bin:/bin:/usr/sbin:/sbin"
    assert environment["HOME"] == "/Users/operator"
    assert environment["SHELL"] == "/bin/zsh"


def test_only_zshenv_is_read_for_an_ssh_command(lab: Lab) -> None:
    for name in (".zshenv", ".zprofile", ".zshrc"):
        ssh(lab, f"echo 'echo read {name}' > ~/{name}")

    assert ssh(lab, "true").stdout == b"read .zshenv\n"
    assert ssh(lab, "zsh -l -c true").stdout.splitlines()[1:] == [
        b"read .zshenv",
        b"read .zprofile",
    ]
    ssh(lab, "rm ~/.zshenv ~/.zprofile ~/.zshrc")


def test_a_login_shell_gets_path_helpers_path(lab: Lab) -> None:
    answer = ssh(lab, "PATH=/x:/bin zsh -l -c 'echo $PATH'")

    assert answer.stdout.decode().strip() == (
        "/usr/local/bin:/System/Cryptexes/App/usr/bin:/usr/bin:/bin:/usr/sbin:/sbin"
        ":/opt/homebrew/bin:/x"
    )


def test_path_holds_what_a_mac_has_and_nothing_else(lab: Lab) -> None:
    words = " ".join((*ON_A_MAC, *NOT_ON_A_MAC))

    answer = ssh(lab, f"for word in {words}; do command -v $word >/dev/null && echo $word; done")

    assert answer.stdout.decode().split() == list(ON_A_MAC)


def test_sudo_needs_no_password_and_says_nothing(lab: Lab) -> None:
    answer = ssh(lab, "sudo -n id -u")

    assert (answer.stdout, answer.stderr) == (b"0\n", b"")


def test_sudo_is_quick_without_a_resolver(lab: Lab) -> None:
    lab.exec("host", ["/bin/mv", "/private/var/run/resolv.conf", "/private/var/run/away"])
    began = time.monotonic()

    answer = ssh(lab, "sudo -n true")

    lab.exec("host", ["/bin/mv", "/private/var/run/away", "/private/var/run/resolv.conf"])
    assert (answer.returncode, answer.stderr) == (0, b"")
    assert time.monotonic() - began < 3


def test_etc_tmp_and_var_are_links_into_private(lab: Lab) -> None:
    answer = ssh(lab, "cd /; for x in etc tmp var; do readlink $x; done")

    assert answer.stdout == b"private/etc\nprivate/tmp\nprivate/var\n"


def test_the_system_is_read_only_even_for_root(lab: Lab) -> None:
    for path in ("/System/Lab/mac/x", "/usr/lib/x", "/System/Lab/linux/bin/x"):
        answer = lab.exec("host", ["/usr/bin/touch", path])
        assert "Read-only file system" in answer.stderr


def test_an_account_without_password_is_refused_even_with_a_key(lab: Lab) -> None:
    assert ssh(lab, "true").returncode == 0
    lab.exec("host", ["/bin/cp", "-p", "/etc/shadow", "/etc/shadow.kept"], check=True)
    edit = "s/^operator:[^:]*:/operator:*:/"
    lab.exec("host", ["/usr/bin/sed", "-i", "", edit, "/etc/shadow"], check=True)

    refused = ssh(lab, "true")

    lab.exec("host", ["/bin/mv", "/etc/shadow.kept", "/etc/shadow"], check=True)
    assert refused.returncode == 255
    assert ssh(lab, "true").returncode == 0


def test_the_ssh_access_group_is_enforced_when_it_exists(lab: Lab) -> None:
    script = "echo 'com.apple.access_ssh:*:399:{}' >> /etc/group"
    lab.exec("host", ["/bin/cp", "-p", "/etc/group", "/etc/group.kept"], check=True)
    lab.exec("host", ["/bin/sh", "-c", script.format("somebody")], check=True)
    outside = ssh(lab, "true").returncode
    lab.exec("host", ["/bin/cp", "-p", "/etc/group.kept", "/etc/group"], check=True)
    lab.exec("host", ["/bin/sh", "-c", script.format("somebody,operator")], check=True)
    inside = ssh(lab, "true").returncode
    lab.exec("host", ["/bin/mv", "/etc/group.kept", "/etc/group"], check=True)

    assert (outside, inside) == (255, 0)


def test_a_missing_host_key_is_made_at_the_next_connection(lab: Lab) -> None:
    keys = "/private/etc/ssh"
    script = f"mkdir {keys}/kept; mv {keys}/ssh_host_* {keys}/kept"
    lab.exec("host", ["/bin/sh", "-c", script], check=True)

    changed = ssh(lab, "true")

    lab.exec("host", ["/bin/sh", "-c", f"mv {keys}/kept/* {keys}; rmdir {keys}/kept"], check=True)
    assert changed.returncode == 255
    assert b"verification failed" in changed.stderr
    assert ssh(lab, "true").returncode == 0


def test_homebrew_belongs_to_the_operator(lab: Lab) -> None:
    answer = lab.exec("host", ["/usr/bin/stat", "-f", "%Su:%Sg", "/opt/homebrew/bin"])

    assert answer.stdout == "operator:staff\n"


def test_exec_passes_input_exit_code_and_user(lab: Lab) -> None:
    ran = lab.exec("host", ["/bin/sh", "-c", "cat; id -Gn; exit 3"], user="operator", input="in\n")

    assert (ran.returncode, ran.stdout) == (3, "in\nstaff admin\n")


def test_a_command_that_takes_too_long_is_killed(lab: Lab) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        lab.exec("host", ["/bin/sleep", "543"], timeout=0.3)

    deadline = time.monotonic() + 5
    while "sleep 543" in lab.exec("host", ["/System/Lab/linux/bin/ps", "axo", "args"]).stdout:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("machine", ["guest:none", "guest:", "moon", "lan:x"])
def test_exec_on_a_machine_that_is_not_there_is_told(lab: Lab, machine: str) -> None:
    with pytest.raises(LabError, match=machine.removeprefix("guest:") or "guest:"):
        lab.exec(machine, ["id"])


def test_stand_ins_are_recorded_with_machine_user_and_intent(lab: Lab) -> None:
    before = len(lab.calls())

    ssh(lab, "sw_vers")

    call = lab.calls()[before]
    assert call["argv"][0].endswith("sw_vers")
    assert (call["machine"], call["user"], call["mutates"]) == ("host", "operator", False)


def test_a_held_call_waits_until_it_is_let_go(lab: Lab) -> None:
    lab.hold(len(lab.calls()) + 2)
    done: list[float] = []

    def call() -> None:
        lab.exec("host", ["/usr/bin/sw_vers"])
        done.append(time.monotonic())

    call()
    second = threading.Thread(target=call)
    second.start()
    second.join(0.5)
    released = time.monotonic()
    held = second.is_alive()
    lab.unhold()
    second.join()

    assert held
    assert done[1] > released


def test_the_guest_image_has_its_known_password_and_shared_keys(lab: Lab) -> None:
    disk = lab.state.folder / "images" / "sequoia-base.disk"

    login = plistlib.loads((disk / "Library/Preferences/com.apple.loginwindow.plist").read_bytes())
    public = (disk / "private/etc/ssh/ssh_host_ed25519_key.pub").read_text().strip()

    assert login["autoLoginUser"] == "admin"
    assert (disk / "private/etc/kcpassword").read_bytes()[:6] == kcpassword("admin")[:6]
    assert public == image_host_keys()["ed25519"].public
    assert public == (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDTHzKxmKOORyyPIH5LXKjcB7mA5J10ezUNBNhZdsFrv"
    )


@pytest.mark.parametrize(("user", "password"), [("operator", "operator"), ("admin", "admin")])
def test_known_passwords_are_what_shadow_holds(lab: Lab, user: str, password: str) -> None:
    image = "host" if user == "operator" else "sequoia-base.disk"
    shadow = (lab.state.folder / "images" / image / "private/etc/shadow").read_text()
    (row,) = [line for line in shadow.splitlines() if line.startswith(f"{user}:")]
    stored = row.split(":")[1]

    made = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", stored.split("$")[2], "-stdin"],
        input=password,
        capture_output=True,
        text=True,
        check=True,
    )

    assert made.stdout.strip() == stored


def test_facts_name_what_an_inventory_needs(lab: Lab) -> None:
    facts = json.loads(lab.state.facts_file.read_text())

    known_hosts = Path(facts["known_hosts"]).read_text()
    assert facts["name"] == lab.name
    assert facts["user"] == "operator"
    assert os.stat(facts["key"]).st_mode & 0o777 == 0o600
    assert f"[127.0.0.1]:{facts['ssh_port']} ssh-ed25519 " in known_hosts
