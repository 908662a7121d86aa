"""The bare Mac: folders, commands and settings that the host and every guest start from."""

import os
import shutil
import sys
from pathlib import Path

from lab.ca import SUBJECT_HASH

from . import accounts, ssh
from .commands import write_real_programs
from .tree import Tree

LAUNCH_JOBS = Path(__file__).resolve().parents[1] / "mac" / "system_launchdaemons"
FOLDERS = (
    "/Applications", "/Library/Caches", "/Library/Keychains", "/Library/LaunchAgents",
    "/Library/LaunchDaemons", "/Library/Logs", "/Library/Preferences/SystemConfiguration",
    "/Library/Application Support", "/Library/Developer/CommandLineTools/usr/bin",
    "/System/Library/LaunchAgents", "/System/Library/LaunchDaemons", "/System/Volumes/Data",
    "/Users", "/Volumes", "/bin", "/cores", "/dev", "/opt", "/private/etc/newsyslog.d",
    "/private/etc/paths.d", "/private/etc/resolver", "/private/var/at", "/private/var/db",
    "/private/var/db/timezone", "/private/var/folders", "/private/var/log", "/private/var/run",
    "/private/var/spool", "/private/var/log/com.apple.xpc.launchd",
    "/private/var/db/com.apple.xpc.launchd", "/proc", "/sbin", "/sys", "/usr/bin", "/usr/lib",
    "/usr/libexec", "/usr/local/bin", "/usr/sbin", "/usr/share",
)  # fmt: skip
MOUNT_POINTS = ("python", "mac", "linux", "bottles", "log")
LINKS = {
    "/etc": "private/etc",
    "/tmp": "private/tmp",
    "/var": "private/var",
    "/home": "System/Volumes/Data/home",
    # What Linux programs need to find: their loader, their state, the time zones.
    "/lib": "usr/lib",
    "/lib64": "usr/lib64",
    "/run": "private/var/run",
    "/private/var/db/timezone/zoneinfo": "/usr/share/zoneinfo",
    "/private/etc/localtime": "/var/db/timezone/zoneinfo/UTC",
    "/private/etc/resolv.conf": "../var/run/resolv.conf",
    # Debian's zsh reads its system-wide files here; a Mac's are in /etc.
    "/private/etc/zsh/zshenv": "../zshenv",
    "/private/etc/zsh/zprofile": "../zprofile",
    "/private/etc/zsh/zshrc": "../zshrc",
    "/private/etc/ssl/certs/ca-certificates.crt": "../cert.pem",
    f"/private/etc/ssl/certs/{SUBJECT_HASH}.0": "../cert.pem",
}
HOSTS = """\
##
# Host Database
#
# localhost is used to configure the loopback interface
# when the system is booting.  Do not change this entry.
##
127.0.0.1	localhost
255.255.255.255	broadcasthost
::1             localhost
"""
ZPROFILE = """\
# System-wide profile for interactive zsh(1) login shells.
if [ -x /usr/libexec/path_helper ]; then
	eval `/usr/libexec/path_helper -s`
fi
"""
PROFILE = """\
# System-wide .profile for sh(1)
if [ -x /usr/libexec/path_helper ]; then
	eval `/usr/libexec/path_helper -s`
fi
"""
PATHS = "/usr/local/bin\n/System/Cryptexes/App/usr/bin\n/usr/bin\n/bin\n/usr/sbin\n/sbin\n"
# /etc/paths, then each file of /etc/paths.d, then what PATH held besides: login shells reorder.
PATH_HELPER = """\
#!/bin/dash
[ "$1" = -s ] || { echo "usage: path_helper [-c | -s]" >&2; exit 1; }
found=
add() { case :$found: in *:"$1":*) ;; *) found=${found:+$found:}$1 ;; esac; }
for file in /etc/paths /etc/paths.d/*; do
	[ -f "$file" ] || continue
	while IFS= read -r line; do [ -z "$line" ] || add "$line"; done <"$file"
done
IFS=:
for entry in $PATH; do [ -z "$entry" ] || add "$entry"; done
printf 'PATH="%s"; export PATH;\\n' "$found"
"""
NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n"
SHELLS = "/bin/bash\n/bin/dash\n/bin/sh\n/bin/zsh\n"
FROM_THIS_MACHINE = ("ld.so.cache", "services", "protocols", "ssl/openssl.cnf")
SERVICES = "ssh 22/tcp\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\n"


def write_system(tree: Tree, ca: bytes) -> None:
    """Write the part of a root that the host and the guests have in common.

    `ca` is the lab's certificate (PEM), which its machines trust.
    """
    for folder in FOLDERS:
        tree.make(folder)
    for name in MOUNT_POINTS:
        tree.make(f"/System/Lab/{name}")
    tree.make("/private/tmp", mode=0o1777)
    tree.make("/private/var/tmp", mode=0o1777)
    tree.make("/private/var/root", mode=0o750)
    tree.make("/Users/Shared", mode=0o1777)
    for path, target in LINKS.items():
        tree.link(path, target)
    _write_settings(tree)
    tree.write("/private/etc/ssl/cert.pem", ca)
    accounts.write_policies(tree)
    accounts.write_accounts(tree)
    ssh.write_sshd(tree)
    write_real_programs(tree)
    write_jobs(tree, LAUNCH_JOBS)
    _link_interpreter(tree)
    python = sorted(Path("/Library/Developer/CommandLineTools/usr/bin").joinpath(name)
                    for name in ("git", "python3"))  # fmt: skip
    for program in python:
        tree.link(str(program), f"/usr/bin/{program.name}")


def _link_interpreter(tree: Tree) -> None:
    """Let a shared libpython be found: its path is compiled into the interpreter."""
    prefix = os.path.realpath(sys.base_prefix)
    if not prefix.startswith("/usr"):
        tree.link(prefix, "/System/Lab/python")


def write_jobs(tree: Tree, folder: Path) -> None:
    """Install the system's own launchd jobs from a folder of property lists."""
    for plist in folder.glob("*.plist"):
        tree.write(f"/System/Library/LaunchDaemons/{plist.name}", plist.read_bytes())


def _write_settings(tree: Tree) -> None:
    for name in FROM_THIS_MACHINE:
        source = Path("/etc", name)
        if source.exists():
            tree.make(str(Path("/private/etc", name).parent))
            shutil.copyfile(source, tree.at(f"/private/etc/{name}"))
    if not Path("/etc/services").exists():
        tree.write("/private/etc/services", SERVICES)
    tree.write("/private/etc/hosts", HOSTS)
    tree.write("/private/etc/nsswitch.conf", NSSWITCH)
    tree.write("/private/etc/shells", SHELLS)
    tree.write("/private/etc/paths", PATHS)
    tree.write("/private/etc/zprofile", ZPROFILE)
    tree.write("/private/etc/profile", PROFILE)
    tree.write("/usr/libexec/path_helper", PATH_HELPER, mode=0o755)
