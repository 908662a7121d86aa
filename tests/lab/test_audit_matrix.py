"""Each kind of check, made red on a live keep and mended again: the slow half of `test_audit`."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.lab.guarding import wait
from tests.lab.keep import GUEST, Built

pytestmark = [pytest.mark.lab, pytest.mark.slow]

WALL = "com.apple/001.clawkeep-wall"
RECEIPT = "$(ls /opt/homebrew/Cellar/uv/*/INSTALL_RECEIPT.json)"
PLIST = "/Library/LaunchDaemons/com.nanoclaw.hostlogs.plist"
VAULT = "com.nanoclaw.bridge.vaultwarden"
KCPASSWORD = "/etc/kcpassword"
SSHD = "/etc/ssh/sshd_config.d"
LOGIN = "/Library/Preferences/com.apple.loginwindow autoLoginUser"
UPDATES = "/Library/Preferences/com.apple.SoftwareUpdate AutomaticDownload"
AS_OPERATOR = "sudo -u operator -H /opt/homebrew/bin/tart"
STRAY = f"sed s/hostlogs/stray/ {PLIST} > /Library/LaunchDaemons/com.nanoclaw.stray.plist"
#: pf's own words, without the guard that would mend them, and with it again.
UNGUARDED = "launchctl bootout system/com.nanoclaw.guard; sleep 1; "
GUARDED = (
    "; launchctl bootstrap system /Library/LaunchDaemons/com.nanoclaw.guard.plist; "
    "/opt/clawkeep/bin/clawkeep enforce"
)


@dataclass(frozen=True)
class Row:
    """A change on a machine, the check that names it in what words, and what takes it back."""

    check: str
    words: str
    change: str
    back: str
    machine: str = "host"


def job(label: str, verb: str) -> str:
    plist = f" /Library/LaunchDaemons/{label}.plist" if verb == "bootstrap" else f"/{label}"
    return f"launchctl {verb} system{plist}"


ROWS = [
    Row("host/folder//var/log/clawkeep", "mode 777", "chmod 777 /var/log/clawkeep",
        "chmod 750 /var/log/clawkeep"),
    Row("host/file//opt/clawkeep/lib/clawkeep/link.py", "a symbolic link",
        "cd /opt/clawkeep/lib/clawkeep; mv link.py /tmp; ln -s /tmp/link.py link.py",
        "cd /opt/clawkeep/lib/clawkeep; rm link.py; mv /tmp/link.py ."),
    Row("host/file//opt/clawkeep/libexec/softnet", "mode 755",
        "chmod 755 /opt/clawkeep/libexec/softnet", "chmod 4750 /opt/clawkeep/libexec/softnet"),
    Row("host/prints/softnet is Homebrew's", "1 ", "echo x >> /opt/homebrew/bin/softnet",
        "sed -i.b '$d' /opt/homebrew/bin/softnet"),
    Row("host/prints/root's Python is only root's", "/opt/clawkeep/python",
        "chmod g+w /opt/clawkeep/python", "chmod g-w /opt/clawkeep/python"),
    Row("host/nothing-else/what root runs and reads below /opt/clawkeep", "evil.py",
        "echo > /opt/clawkeep/lib/clawkeep/evil.py", "rm /opt/clawkeep/lib/clawkeep/evil.py"),
    Row("host/job/com.nanoclaw.hostlogs", "loaded with other arguments",
        f"sed -i.b s/pull/purge/ {PLIST}; {job('com.nanoclaw.hostlogs', 'bootout')}; sleep 1; "
        f"{job('com.nanoclaw.hostlogs', 'bootstrap')}; mv {PLIST}.b {PLIST}",
        f"{job('com.nanoclaw.hostlogs', 'bootout')}; sleep 1; "
        f"{job('com.nanoclaw.hostlogs', 'bootstrap')}"),
    Row("host/job/com.nanoclaw.traffic", "disabled",
        "launchctl disable system/com.nanoclaw.traffic",
        "launchctl enable system/com.nanoclaw.traffic"),
    Row("host/jobs/com.nanoclaw.*", "com.nanoclaw.stray", STRAY,
        "rm /Library/LaunchDaemons/com.nanoclaw.stray.plist"),
    Row("host/user/_clawkeep", "shell /bin/zsh",
        "dscl . -create /Users/_clawkeep UserShell /bin/zsh",
        "dscl . -create /Users/_clawkeep UserShell /usr/bin/false"),
    Row("host/formula/uv", "from eve/tap",
        f"f={RECEIPT}; cp $f /tmp/receipt; sed -i.b 's,homebrew/core,eve/tap,' $f; rm $f.b",
        f"cp /tmp/receipt {RECEIPT}"),
    Row("host/formula/tart", "not installed",
        "mv /opt/homebrew/Cellar/tart/*/INSTALL_RECEIPT.json /tmp/tart-receipt",
        "mv /tmp/tart-receipt $(ls -d /opt/homebrew/Cellar/tart/*)/INSTALL_RECEIPT.json"),
    Row("host/listener/vaultwarden", "nothing listens", job(VAULT, "bootout"),
        job(VAULT, "bootstrap")),
    Row("host/process/bridge vaultwarden", "no such process", job(VAULT, "bootout"),
        job(VAULT, "bootstrap")),
    Row("host/prints/SSH host key of truenas-ssh", "not truenas-ssh",
        "mv /opt/clawkeep/etc/hostkeys /tmp", "mv /tmp/hostkeys /opt/clawkeep/etc"),
    Row(f"host/vm/{GUEST}-base", "absent", f"{AS_OPERATOR} rename {GUEST}-base other",
        f"{AS_OPERATOR} rename other {GUEST}-base"),
    Row(f"host/rules/{WALL}", "missing", f"{UNGUARDED}/sbin/pfctl -a {WALL} -F rules",
        GUARDED.lstrip("; ")),
    Row("host/rules/pf", "pf is disabled", f"{UNGUARDED}/sbin/pfctl -d", GUARDED.lstrip("; ")),
    Row("guest/secret//etc/kcpassword", "mode 644", f"chmod 644 {KCPASSWORD}",
        f"chmod 600 {KCPASSWORD}", "guest"),
    Row("guest/prints/sshd", "not passwordauthentication no",
        f"echo PasswordAuthentication yes > {SSHD}/000.conf", f"rm {SSHD}/000.conf", "guest"),
    Row(f"guest/nothing-else/{SSHD}", "000.conf",
        f"echo > {SSHD}/000.conf", f"rm {SSHD}/000.conf", "guest"),
    Row("guest/nothing-else//etc/sudoers.d", "eve", "echo > /etc/sudoers.d/eve",
        "rm /etc/sudoers.d/eve", "guest"),
    Row("guest/prints/host key", "AAAA",
        "cd /etc/ssh; cp ssh_host_ed25519_key.pub /tmp; "
        "awk '{print $1, $2 \"AAAA\"}' /tmp/ssh_host_ed25519_key.pub > ssh_host_ed25519_key.pub",
        "cp /tmp/ssh_host_ed25519_key.pub /etc/ssh", "guest"),
    Row("guest/users/people", "eve",
        "dscl . -create /Users/eve; dscl . -create /Users/eve UniqueID 555",
        "dscl . -delete /Users/eve", "guest"),
    Row("guest/group/admin", "beyond that: nobody", "dseditgroup -o edit -a nobody -t user admin",
        "dseditgroup -o edit -d nobody -t user admin", "guest"),
    Row("guest/prints/automatic login", "admin", f"defaults write {LOGIN} admin",
        f"defaults write {LOGIN} claw", "guest"),
    Row("guest/prints/automatic updates", "1", f"defaults write {UPDATES} -bool true",
        f"defaults write {UPDATES} -bool false", "guest"),
    Row("guest/lines/names of the services", "missing",
        "sed -i.b '/kubernetes/d' /etc/hosts", "mv /etc/hosts.b /etc/hosts", "guest"),
    Row("guest/formula/jq", "not installed",
        "mv /opt/homebrew/Cellar/jq/*/INSTALL_RECEIPT.json /tmp/jq-receipt",
        "mv /tmp/jq-receipt $(ls -d /opt/homebrew/Cellar/jq/*)/INSTALL_RECEIPT.json", "guest"),
    Row("guest/jobs/com.nanoclaw.*", "com.nanoclaw.x",
        "touch /Library/LaunchDaemons/com.nanoclaw.x.plist",
        "rm /Library/LaunchDaemons/com.nanoclaw.x.plist", "guest"),
]  # fmt: skip


def state(keep: Built, name: str) -> tuple[str, str]:
    said = json.loads(keep.clawkeep("audit", "--json", "--only", name).stdout)
    (row,) = [one for one in said["checks"] if one["name"] == name]
    return row["state"], row["found"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.check)
def test_red_and_green_again(keep: Built, row: Row) -> None:
    run = keep.guest if row.machine == "guest" else keep.host
    run(row.change)
    found = state(keep, row.check)
    run(row.back)
    assert found[0] == "failed", found
    assert row.words in found[1]
    wait(f"{row.check} is green again", lambda: state(keep, row.check)[0] == "passed", 30)


def test_a_guest_that_does_not_run_is_named_and_the_rest_is_looked_at(keep: Built) -> None:
    assert keep.clawkeep("vm", "stop").returncode == 0
    done = keep.clawkeep("audit")
    assert done.returncode == 1
    assert f"DRIFT  host vm {GUEST}" in done.stdout
    assert f"checks cannot be told: {GUEST} is stopped" in done.stdout
