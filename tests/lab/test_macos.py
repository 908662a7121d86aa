"""The stand-ins of macOS commands, in a running lab, as a provisioner meets them."""

import json
import plistlib
import subprocess

import pytest

from lab.lab import Lab

pytestmark = pytest.mark.lab


def run(lab: Lab, script: str, user: str = "root") -> subprocess.CompletedProcess[str]:
    return lab.exec("host", ["/bin/sh", "-c", script], user=user)


def test_an_account_made_with_sysadminctl_can_be_used_at_once(lab: Lab) -> None:
    made = run(
        lab,
        "printf 'pw\\n' | sysadminctl -addUser keeper -fullName Keeper -password - "
        "-home /Users/keeper -shell /bin/zsh -admin",
    )
    assert made.returncode == 0
    assert made.stdout == ""
    assert "Home directory is assigned (not created!) at /Users/keeper" in made.stderr
    assert run(lab, "id -un keeper; id -Gn keeper").stdout == "keeper\nstaff admin\n"
    assert run(lab, "test -d /Users/keeper").returncode == 1
    assert run(lab, "createhomedir -c -u keeper && stat -f %Su /Users/keeper").stdout.endswith(
        "keeper\n"
    )
    assert run(lab, "dscl . -authonly keeper pw").returncode == 0
    assert run(lab, "dscl . -authonly keeper no").returncode == 10
    read = run(lab, "dscl . -read /Users/keeper NFSHomeDirectory UserShell")
    assert read.stdout == "NFSHomeDirectory: /Users/keeper\nUserShell: /bin/zsh\n"


def test_an_operator_without_sudo_changes_no_account(lab: Lab) -> None:
    refused = run(lab, "dscl . -create /Users/sneak UniqueID 777", user="operator")
    assert refused.returncode == 40
    assert run(lab, "id sneak").returncode == 1


def test_killall_opendirectoryd_flushes_and_launchd_brings_it_back(lab: Lab) -> None:
    run(lab, "dscl . -create /Users/flushed UniqueID 900")
    disk = "/private/var/db/dslocal/disk/passwd"
    assert run(lab, f"grep -c ^flushed: {disk}").stdout == "0\n"
    before = run(lab, "pgrep -x opendirectoryd").stdout
    assert run(lab, "killall opendirectoryd").returncode == 0
    back = run(
        lab,
        f"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do p=$(pgrep -x opendirectoryd) && "
        f"[ \"$p\" != '{before.strip()}' ] && break; sleep 0.5; done; echo $p",
    )
    assert back.stdout.strip().isdigit()
    assert run(lab, f"grep -c ^flushed: {disk}").stdout == "1\n"
    assert run(lab, "id -u flushed").stdout == "900\n"


def test_group_membership_goes_by_dseditgroup(lab: Lab) -> None:
    group = "dseditgroup -o checkmember -m operator com.apple.access_ssh-lab"
    run(lab, "dseditgroup -o create com.apple.access_ssh-lab")
    assert run(lab, group).returncode == 67
    run(lab, "dseditgroup -o edit -a operator -t user com.apple.access_ssh-lab")
    answer = run(lab, group)
    assert answer.stdout == "yes operator is a member of com.apple.access_ssh-lab\n"


def test_defaults_writes_for_the_user_that_runs_it(lab: Lab) -> None:
    assert run(lab, "defaults write com.example.keep Level -int 3", user="operator").returncode == 0
    path = "/Users/operator/Library/Preferences/com.example.keep.plist"
    found = run(lab, f"stat -f '%Su %Lp' {path}; defaults export com.example.keep -", "operator")
    first, _, rest = found.stdout.partition("\n")
    assert first == "operator 600"
    assert plistlib.loads(rest.encode()) == {"Level": 3}
    refused = run(lab, "defaults write /Library/Preferences/com.example.keep x 1", user="operator")
    assert refused.returncode == 1
    assert "Could not write domain" in refused.stderr


def test_the_machine_says_it_is_a_mac(lab: Lab) -> None:
    facts = run(lab, "uname -sm; sw_vers -productVersion; sysctl -n hw.model; csrutil status")
    assert facts.stdout.splitlines() == [
        "Darwin arm64",
        "15.7.1",
        "Mac16,10",
        "System Integrity Protection status: enabled.",
    ]


def test_the_network_reads_as_on_a_mac(lab: Lab) -> None:
    assert "10.0.10.2 netmask 0xffffff00" in run(lab, "ifconfig en0").stdout
    assert run(lab, "route -n get default | awk '/gateway:/{print $2}'").stdout == "10.0.10.1\n"
    assert run(lab, "route -n get default | awk '/interface:/{print $2}'").stdout == "en0\n"
    assert run(lab, "ipconfig getifaddr en0").stdout == "10.0.10.2\n"
    absent = run(lab, "ifconfig bridge100")
    assert absent.stderr == "ifconfig: interface bridge100 does not exist\n"


def test_boot_time_is_this_machines(lab: Lab) -> None:
    answer = run(lab, "sysctl -n kern.boottime | awk '{print $4}' | tr -d ','; date +%s")
    booted, now = (int(line) for line in answer.stdout.split())
    assert 0 <= now - booted < 3600


def test_a_mutating_call_is_recorded_as_one(lab: Lab) -> None:
    run(lab, "pmset -a womp 1; pmset -g custom")
    calls = [call for call in lab.calls() if call["argv"][0].endswith("pmset")]
    assert [call["mutates"] for call in calls[-2:]] == [True, False], json.dumps(calls[-2:])


def test_a_secret_on_stdin_is_in_no_record(lab: Lab) -> None:
    run(lab, "printf 'hunter22\\n' | sysadminctl -resetPasswordFor operator -newPassword -")
    assert "hunter22" not in json.dumps(lab.calls())
