"""What the image ghcr.io/cirruslabs/macos-sequoia-base has on its disk beyond a bare macOS.

Source: reference/tart.md §5.
"""

from pathlib import Path

from lab.keys import image_host_keys
from lab.mac.brew import prefix as homebrew

from . import accounts, login, ssh
from .tree import Tree

ADMIN = accounts.User("admin", 501, "Managed via Tart")
# The file of the real image: "admin", a NUL, and what the generator happened to leave after it.
KCPASSWORD = bytes.fromhex("1ced3f4abcbcba2ccaca4e82")
FORMULAS = (
    "wget", "unzip", "zip", "ca-certificates", "cmake", "jq", "yq", "gh", "curl", "node@24",
)  # fmt: skip
# Where libc finds mDNSResponder (mac/macos/mdnsresponder.py); a Mac's libc finds it by itself.
RESOLV_CONF = """\
# The lab's own. What DHCP said is in /var/run/resolv.conf; whoever asks DNS himself reads that.
nameserver 127.0.0.53
"""
ZPROFILE = """\
export LANG=en_US.UTF-8
eval "$(/opt/homebrew/bin/brew shellenv)"
export HOMEBREW_NO_AUTO_UPDATE=1
export HOMEBREW_NO_INSTALL_CLEANUP=1
export PATH="/opt/homebrew/opt/node@24/bin:$PATH"
"""
AGENT = "/opt/homebrew/bin/tart-guest-agent"
AGENT_PATH = "/bin:/usr/bin:/usr/sbin:/usr/local/bin:/opt/homebrew/bin"
DAEMON_JOB = {
    "Label": "org.cirruslabs.tart-guest-daemon",
    "ProgramArguments": [AGENT, "--run-daemon"],
    "EnvironmentVariables": {"PATH": AGENT_PATH},
    "WorkingDirectory": "/var/empty",
    "RunAtLoad": True,
    "KeepAlive": True,
    "StandardOutPath": "/tmp/tart-guest-daemon.log",
    "StandardErrorPath": "/tmp/tart-guest-daemon.log",
}
AGENT_JOB = {
    "Label": "org.cirruslabs.tart-guest-agent",
    "ProgramArguments": [AGENT, "--run-agent"],
    "EnvironmentVariables": {"PATH": AGENT_PATH, "TERM": "xterm-256color"},
    "WorkingDirectory": "/Users/admin",
    "RunAtLoad": True,
    "KeepAlive": True,
    "StandardOutPath": "/tmp/tart-guest-agent.log",
    "StandardErrorPath": "/tmp/tart-guest-agent.log",
}


def write_base_disk(tree: Tree, bottles: Path | None) -> None:
    """Write the base image's disk, to lie over the bare macOS in `images/guest`."""
    accounts.write_accounts(tree, ADMIN)
    rule = "admin ALL=(ALL) NOPASSWD: ALL\n"
    tree.write("/private/etc/sudoers.d/admin-nopasswd", rule, mode=0o440)
    login.write_home(tree, ADMIN)
    login.write_auto_login(tree, ADMIN, KCPASSWORD)
    ssh.write_host_keys(tree, image_host_keys())
    tree.make("/Library")
    tree.plist("/Library/LaunchDaemons/org.cirruslabs.tart-guest-daemon.plist", DAEMON_JOB)
    tree.plist("/Library/LaunchAgents/org.cirruslabs.tart-guest-agent.plist", AGENT_JOB)
    tree.write("/private/var/db/lab-sip", "disabled\n")
    tree.write("/private/etc/resolv.conf", RESOLV_CONF)
    tree.write(f"{ADMIN.home}/.zprofile", ZPROFILE, owner=ADMIN.owner)
    tree.link("/Users/runner", "/Users/admin")
    homebrew.populate(tree.folder, *ADMIN.owner, list(FORMULAS), bottles=bottles)
