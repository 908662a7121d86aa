"""Positive control: that both tools look at the state, shown by damaging it.

A run that reports nothing proves nothing unless it would report something. Each damage here must
be reported by Ansible in the task that is responsible, and only there; then a converge of
Clawkeep must repair all of them, after which both tools are no-ops again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.ansible_side import Ansible
from bench.clawkeep_side import Clawkeep
from bench.series import FailedError

TASK = re.compile(r"^TASK \[(.+?)\] \*+$")
CHANGED = re.compile(r"^changed: \[keep-\w+\](?: => \(item=(.+)\))?$")

RULES = "com.apple/000.clawkeep"
BRIDGE = "com.nanoclaw.bridge.home-assistant"


@dataclass(frozen=True)
class Damage:
    """One thing that is made wrong, and where Ansible must say so."""

    what: str
    machine: str
    script: str
    task: str
    item: str = ""


def damages() -> list[Damage]:
    """Return one damage for every kind of state; scripts run as root."""
    return [
        Damage("content of a file", "host", "echo >> /opt/clawkeep/lib/clawkeep/tart.py",
               "Clawkeep's own program", "/opt/clawkeep/lib/clawkeep/tart.py"),
        Damage("mode of a file", "host", "chmod 755 /opt/clawkeep/lib/clawkeep/link.py",
               "Clawkeep's own program", "/opt/clawkeep/lib/clawkeep/link.py"),
        Damage("owner of a file", "host", "chown operator /opt/clawkeep/etc/policy.json",
               "Policy", "/opt/clawkeep/etc/policy.json"),
        Damage("mode of a folder", "host", "chmod 777 /opt/clawkeep/etc",
               "Folders of the host", "/opt/clawkeep/etc"),
        Damage("SUID bit", "host", "chmod 755 /opt/clawkeep/libexec/softnet",
               "Softnet as root's own copy"),
        Damage("loaded job", "host", f"launchctl bootout system/{BRIDGE}; sleep 0.5",
               "Bridges are loaded", f"system/{BRIDGE}"),
        # Or it would have the rules back before anybody looks.
        Damage("the guard", "host", "launchctl bootout system/com.nanoclaw.guard; sleep 0.5",
               "The guard's job is loaded", "system/com.nanoclaw.guard"),
        Damage("rules in force", "host", f"/sbin/pfctl -a {RULES} -F rules",
               "Rules of the anchors, in force", RULES),
        Damage("formula in the guest", "guest",
               "sudo -u admin -H /opt/homebrew/bin/brew uninstall jq",
               "Formulas of the guest"),
        Damage("content of a file in the guest", "guest",
               "echo '# x' >> /etc/ssh/sshd_config.d/010-clawkeep.conf",
               "SSH, shells and sudo", "/etc/ssh/sshd_config.d/010-clawkeep.conf"),
        Damage("owner of a file in the guest", "guest", "chown root /Users/claw/.zshenv",
               "SSH, shells and sudo", "/Users/claw/.zshenv"),
        Damage("setting in the guest", "guest",
               "defaults write /Library/Preferences/com.apple.SoftwareUpdate"
               " AutomaticDownload -bool true",
               "Accounts, automatic login, settings, host keys", "settings"),
        Damage("names in the guest", "guest", "sed -i '' -e '/# clawkeep$/d' /etc/hosts",
               "Names of the services"),
    ]  # fmt: skip


def control(clawkeep: Clawkeep, ansible: Ansible) -> list[str]:
    """Damage the keep, see both tools notice; return what was damaged. Raises FailedError."""
    done = damages()
    for damage in done:
        _inflict(ansible, damage)
    expected = {(damage.task, damage.item) for damage in done}
    # A bridge that is not loaded does not listen either.
    expected.add(("Bridges are listening", ""))
    reported = changed(ansible.converge("--check").output)
    if reported != expected:
        raise FailedError(
            f"Ansible did not report {sorted(expected - reported)}, "
            f"and did report {sorted(reported - expected)}"
        )
    clawkeep.converge()
    clawkeep.no_op()
    ansible.no_op()
    return [damage.what for damage in done]


def changed(output: str) -> set[tuple[str, str]]:
    """Return the tasks, with their items, that a run of the playbook reported as changed."""
    task, found = "", set()
    for line in output.splitlines():
        if match := TASK.match(line):
            task = match[1]
        elif match := CHANGED.match(line):
            found.add((task, match[1] or ""))
    return found


def _inflict(ansible: Ansible, damage: Damage) -> None:
    machine = "host" if damage.machine == "host" else f"guest:{ansible.guest}"
    done = ansible.lab.exec(machine, ["/bin/sh", "-c", damage.script])
    if done.returncode != 0:
        raise FailedError(f"{damage.what}: {damage.script}: {done.stderr}")
