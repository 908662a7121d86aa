"""The checks, as data: what to ask, who judges the answer, and what fixes it.

A question is POSIX shell; it only reads, gets no stdin, and its errors are dropped. Where the
answer is nobody's but root's it asks `sudo -n`. What is wanted is what `roles/base` installs.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from clawkeep import tart
from clawkeep.doctor import judge
from clawkeep.doctor.judge import Judge
from clawkeep.model import Keep
from clawkeep.render.plist import VM_LABEL
from clawkeep.skills.wanted import wanted

CELLAR = "/opt/homebrew/Cellar"
SOFTNET = ("/opt/homebrew/bin/softnet", "/opt/clawkeep/libexec/softnet")
LOGIN = (
    "id -un; defaults read /Library/Preferences/com.apple.loginwindow autoLoginUser || echo; "
    "sudo -n true && { sudo -n stat -f '%Lp %Su' /etc/kcpassword || echo none; }"
)

SPARE_GB = 10
"""Beside the guest's disk: with 50 GB the 60 that tart needs (reference/tart.md §4)."""

KEPT_GB = 20
"""What a guest that is there may still grow by before somebody must look. Our choice."""


@dataclass(frozen=True)
class Check:
    """One row: its name, the question, the judge of the answer, and the step that fixes it."""

    name: str
    question: str
    judge: Judge
    fix: str


def host(keep: Keep) -> tuple[Check, ...]:
    """Return what the host is asked."""
    apply = "clawkeep apply base"
    return (
        Check(
            "macOS",
            "sw_vers -productVersion",
            judge.at_least("15"),
            "upgrade to macOS 15 or newer: System Settings, General, Software Update",
        ),
        Check("chip", "uname -m", judge.says("arm64"), "take a Mac with Apple silicon"),
        Check(
            "sudo",
            "sudo -n true",
            judge.succeeds("without a password", "asks for a password"),
            'echo "$USER ALL = (ALL) NOPASSWD: ALL" | sudo tee /etc/sudoers.d/operator && '
            "sudo visudo -c",
        ),
        Check(
            "Homebrew",
            "[ -x /opt/homebrew/bin/brew ] && [ -O /opt/homebrew/bin/brew ]",
            judge.succeeds("/opt/homebrew", "no brew of this user's at /opt/homebrew"),
            "install it as this user: https://brew.sh",
        ),
        Check("Tart", _versions("tart"), _least(keep.host.tart_version), apply),
        Check("Softnet", _versions("softnet"), _least(keep.host.softnet_version), apply),
        # Homebrew's own loses its SUID at each upgrade. Source: reference/tart.md §2.4.
        Check(
            "Softnet, root's copy",
            f"shasum -a 256 {' '.join(SOFTNET)} | cut -c 1-64; "
            f"stat -f '%Mp%Lp %Su %Sg' {SOFTNET[1]}",
            judge.softnet_copy,
            apply,
        ),
        Check(
            "automatic login",
            LOGIN,
            judge.login(),
            "System Settings, Users & Groups: log in automatically as this user",
        ),
        Check(
            "login session",
            'launchctl print "gui/$(id -u)" >/dev/null',
            judge.succeeds("there", "nobody is logged in at the screen"),
            "log in at the screen once, or sudo reboot when automatic login is on",
        ),
        Check("FileVault", "fdesetup status", judge.filevault, "sudo fdesetup disable"),
        Check(
            "sleep",
            "pmset -g custom",
            judge.power,
            "sudo pmset -a sleep 0 disksleep 0 autorestart 1",
        ),
        Check(
            "free disk",
            'd=$HOME/.tart; [ -d "$d" ] || d=$HOME; df -Pk "$d" | tail -n 1; '
            f'[ ! -d "$d/vms/{keep.guest.name}" ] || echo there',
            judge.disk(keep.guest.disk_gb + SPARE_GB, KEPT_GB),
            "clawkeep vm list, then clawkeep vm delete NAME of what is not needed",
        ),
        Check(
            "pf enabled",
            "sudo -n /sbin/pfctl -s info",
            judge.pf_enabled,
            "clawkeep apply network; the guard enables pf again",
        ),
        # Reloading drops vmnet's own rules, which come back with the guest (macos.md §1.3).
        Check(
            "pf main ruleset",
            "sudo -n /sbin/pfctl -sr",
            judge.pf_main,
            "sudo pfctl -f /etc/pf.conf; then clawkeep vm stop && clawkeep apply base",
        ),
        Check(
            "guest's network",
            f"ip=$({tart.TART} ip {shlex.quote(keep.guest.name)} --resolver=agent); "
            f'route -n get "${{ip:-{keep.host.guest_network[2]}}}"',
            judge.route,
            "end the VPN, or give vmnet another network: Shared_Net_Address in "
            "/Library/Preferences/SystemConfiguration/com.apple.vmnet.plist",
        ),
        Check(
            "other VMs",
            "ps -axwwo args=",
            judge.other_vms(keep.guest.name),
            "end them: macOS runs two macOS guests at most, whoever started them",
        ),
        Check(
            "TART_NO_AUTO_PRUNE",
            f'cat "$HOME/Library/LaunchAgents/{VM_LABEL}.plist"',
            judge.no_auto_prune,
            apply,
        ),
        Check(
            "Metal",
            "/usr/sbin/system_profiler SPDisplaysDataType",
            judge.metal,
            "run clawkeep doctor on the Mac itself",
        ),
    )


def guest(keep: Keep) -> tuple[Check, ...]:
    """Return what the guest is asked. It may be hostile: its answers are only shown and judged."""
    writes = any(getattr(one.options, "tcc", None) == "write" for one in wanted(keep))
    return (
        Check(
            "SIP",
            "csrutil status",
            judge.sip(must_be_off=writes),
            'csrutil disable in the guest\'s Recovery, or no "tcc": "write" in skills',
        ),
        Check("automatic login", LOGIN, judge.login(keep.guest.user), "clawkeep apply base"),
        Check(
            "Python",
            "/usr/bin/python3 -I -c 'import platform; print(platform.python_version())'",
            judge.at_least("3.9"),
            "xcode-select --install in the guest: /usr/bin/python3 is the Command Line Tools'",
        ),
        *(
            Check(
                formula,
                f"/opt/homebrew/opt/{formula}/bin/node --version",
                judge.at_least(formula.partition("@")[2] or "0"),
                "clawkeep apply base",
            )
            for formula in nodes(keep)
        ),
    )


def nodes(keep: Keep) -> list[str]:
    """Return the formulas of Node that are declared, by the agent or among the packages."""
    agents = [keep.agent.release_profile.formula] if keep.agent else []
    packages = [name for name in keep.guest.packages if name.partition("@")[0] == "node"]
    return list(dict.fromkeys([*agents, *packages]))


def _versions(formula: str) -> str:
    """Return the question for installed versions; receipts, as `brew` starts Ruby."""
    return (
        f"[ -d /opt/homebrew ] && ls -d {CELLAR}/{formula}/*/INSTALL_RECEIPT.json | "
        "sed -e 's,/INSTALL_RECEIPT.json$,,' -e 's,.*/,,'"
    )


def _least(version: str) -> Judge:
    return judge.at_least(version, judge.BAD)
