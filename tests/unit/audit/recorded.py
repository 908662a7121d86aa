"""A machine that answers what was recorded: commands by how they begin, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from clawkeep.audit.darwin import darwin

LAUNCHD = """system/com.example.job = {
	active count = 1
	path = /Library/LaunchDaemons/com.example.job.plist
	state = running

	program = /opt/example/bin/example

	arguments = {
		/opt/example/bin/example
		run
	}

	environment = {
		PATH => /usr/bin:/bin:/usr/sbin:/sbin
	}

	domain = system
	runs = 1
	pid = 5150
	last exit code = (never exited)

	properties = keepalive | runatload | inferred program
}
"""
ON_A_TIMER = LAUNCHD.replace("	pid = 5150\n", "").replace("(never exited)", "78: EX_CONFIG")
DISABLED = """disabled services = {
	"com.example.job" => enabled
	"com.example.off" => disabled
	"com.example.old" => true
}
"""
LSOF = """p1
claunchd
Lroot
f7
tIPv4
n*:22
f8
tIPv6
n*:22
p950
csocat
L_clawkeep
f5
tIPv4
n192.168.64.1:18443
"""
IFCONFIG = """bridge100: flags=8a63<UP,BROADCAST,SMART,RUNNING,ALLMULTI,SIMPLEX,MULTICAST> mtu 1500
	ether da:2b:ae:32:76:f2
	inet 192.168.64.1 netmask 0xffffff00 broadcast 192.168.64.255
	inet6 fe80::c073:1ff:fe85:e9f%bridge100 prefixlen 64 scopeid 0x6
	member: vmenet0 flags=10803<LEARNING,DISCOVER,PRIVATE,CSUM>
	status: active
"""
USER = """AppleMetaNodeLocation: /Local/Default
AuthenticationAuthority: ;ShadowHash;HASHLIST:<SALTED-SHA512-PBKDF2>
NFSHomeDirectory: /Users/claw
PrimaryGroupID: 20
RealName:
 Nano Claw
UniqueID: 502
UserShell: /bin/zsh
"""
NOBODY = (
    "NFSHomeDirectory: /var/empty\nPrimaryGroupID: 700\nUniqueID: 700\nUserShell: /usr/bin/false\n"
)
ADMIN = "GroupMembership: root me\nPrimaryGroupID: 80\nRecordName: admin\n"
PS = """    1     0 root     Sat Nov 21 20:22:30 2026 /sbin/launchd
  950   900 _clawkeep Sat Nov 21 20:22:40 2026 /opt/homebrew/bin/socat TCP4-LISTEN:18443
"""
COMM = "    1 /sbin/launchd\n  950 /Applications/Some App.app/Contents/MacOS/socat\n"
MOUNT = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
com.apple.virtio-fs.automount on /Volumes/My Shared Files (virtio-fs, local, noatime)
"""
VMS = """[{"Name": "vm", "State": "running", "Disk": 50, "Source": "local"},
 {"Name": "vm-base", "State": "stopped", "Disk": 50, "Source": "local"}]"""
RECEIPT = '{"source": {"tap": "openai/tools"}, "time": 1}'
RULES = "pass in quick on bridge100 proto tcp from any to any port = 443\nblock drop all\n"

Answers = Mapping[str, str | tuple[int, str]]


class Recorded(BaseBackend):
    """Answers the first recorded command whose beginning fits."""

    NAME = "recorded"

    def __init__(self, answers: Answers) -> None:
        super().__init__("recorded")
        self.answers = answers
        self.asked: list[str] = []

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        text = self.get_command(command, *args)
        self.asked.append(text)
        for begin, answer in self.answers.items():
            if text.startswith(begin):
                status, out = (0, answer) if isinstance(answer, str) else answer
                return self.result(status, text.encode(), out, "")
        raise AssertionError(f"nobody recorded {text!r}")


def recorded(answers: Answers) -> Host:
    return darwin(Recorded(answers))
