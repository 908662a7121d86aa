"""The faults that are planted in a keep with an agent, and what must come of each."""

from __future__ import annotations

from lab.services import claude
from tests.lab.agent_keep import JOB, ROOT, AgentKeep
from tests.lab.faults import Fault
from tests.lab.guarding import guest_is_up, wait
from tests.lab.keep import GUEST

VM = "gui/501/com.nanoclaw.vm"
VM_PLIST = "/Users/operator/Library/LaunchAgents/com.nanoclaw.vm.plist"
LINUX = "/System/Lab/linux/bin"

#: All that runs in the guest, as a hypervisor that stands still leaves it: it answers nothing.
FREEZE = f"""host: f=/private/var/run/lab-guests/{GUEST}.json
p=$(sed -n 's/.*"pid": \\([0-9]*\\).*/\\1/p' $f)
n=$(readlink /proc/$p/ns/pid)
for d in /proc/[0-9]*; do
  [ "$(readlink $d/ns/pid 2>/dev/null)" = "$n" ] && kill -STOP "${{d#/proc/}}"
done; true"""

WEDGE = (
    "ifconfig en0 alias 169.254.7.7 netmask 255.255.0.0;"
    " ifconfig en0 -alias $(ipconfig getifaddr en0 | grep -v 169.254)"
)

NANOCLAW = "$(launchctl print gui/$(id -u claw)/com.nanoclaw | sed -n 's/^.pid = //p')"
KEYCHAIN = "/private/var/run/keychain-unlocked-501"
TART = "sudo -u operator -H /opt/homebrew/bin/tart"
TART_STOP = f"{TART} stop {GUEST}"
LEAKED = "/private/var/run/lab-leaked-slots"
STATE = f"{ROOT}/state"
VMS = "/Users/operator/.tart"


def guest_down(agent: AgentKeep) -> None:
    """Take the guest's job down, and wait until it has ended: `bootout` does not."""
    agent.built.host(f"launchctl bootout {VM}")
    loaded = f"launchctl print {VM}"
    wait("the guest's end", lambda: agent.built.host(loaded).returncode != 0, 60)


def guest_back(agent: AgentKeep) -> None:
    """Load the guest's job again; NanoClaw runs when this returns."""
    agent.built.host(f"launchctl bootstrap gui/501 {VM_PLIST}")
    wait("the guest", lambda: guest_is_up(agent.built) and agent.pid(), 90)


def run_others(*names: str) -> str:
    """Return a script of the host that runs other guests."""
    return "; ".join(
        f"{TART} list -q --source local | grep -qx {name} || {TART} clone {GUEST}-base {name};"
        f" {TART} set {name} --random-mac;"
        f" (launchctl asuser 501 {TART} run --no-graphics {name} >/dev/null 2>&1 &);"
        f" until ls /private/var/run/lab-guests/{name}.json >/dev/null 2>&1; do sleep 0.2; done"
        for name in names
    )


def end_others(*names: str) -> str:
    """Return a script of the host that ends and deletes them."""
    return "; ".join(f"{TART} stop {n} --timeout 1; {TART} delete {n}" for n in names) + "; true"


def both_places_taken(agent: AgentKeep) -> None:
    """Let two guests of others run while ours is down; then ours wants to start."""
    guest_down(agent)
    agent.built.host(run_others("second", "third"))
    agent.built.host(f"launchctl bootstrap gui/501 {VM_PLIST}")


def one_place_leaked(agent: AgentKeep) -> None:
    """Have macOS count two guests that are not there, and end ours."""
    agent.built.host(f"echo 2 > {LEAKED}; {TART_STOP}")


def reboot(agent: AgentKeep) -> None:
    """Reboot the Mac: the only thing that gives a leaked place back."""
    agent.built.lab.reboot()
    wait("the guest", lambda: guest_is_up(agent.built) and agent.pid(), 120)


def on_small_disk(folder: str, stop: str) -> str:
    """Return a script that lays a folder on a disk of its own, once `stop` holds nothing open."""
    return (
        f"{stop}; cp -Rp {folder} /var/root/aside && {LINUX}/mount -t tmpfs -o size=3g,mode=755"
        f" tmpfs {folder} && {LINUX}/cp -a /var/root/aside/. {folder}/ && rm -rf /var/root/aside"
    )


def off_small_disk(folder: str, stop: str) -> str:
    """Return a script that lays the folder back where it was, as it is now."""
    return (
        f"{stop}; {LINUX}/cp -a {folder} /var/root/aside && {LINUX}/umount {folder}"
        f" && {LINUX}/cp -a /var/root/aside/. {folder}/; rm -rf /var/root/aside"
    )


def full(folder: str) -> str:
    """Return a script that leaves a small disk without a free byte; it had some."""
    used = f"{LINUX}/df --output=used -B1 {folder} | tail -1"
    return f"{LINUX}/mount -o remount,size=$({used}) {folder} && ! echo x > {folder}/x"


def roomy(folder: str) -> str:
    """Return a script that gives it its room again."""
    return f"{LINUX}/mount -o remount,size=3g {folder}; rm -f {folder}/x"


AGENT_DOWN = f"launchctl bootout {JOB}; while launchctl print {JOB}; do sleep 0.2; done"
AGENT_UP = (
    "launchctl bootstrap gui/$(id -u claw) /Users/claw/Library/LaunchAgents/com.nanoclaw.plist"
)


def vms_on_small_disk(agent: AgentKeep) -> None:
    """Lay tart's VMs on a disk of their own; none may run meanwhile."""
    guest_down(agent)
    assert agent.built.host(on_small_disk(VMS, "true")).returncode == 0
    guest_back(agent)


def vms_off_small_disk(agent: AgentKeep) -> None:
    """Lay them back."""
    guest_down(agent)
    agent.built.host(off_small_disk(VMS, "true"))
    guest_back(agent)


def refuse(agent: AgentKeep) -> None:
    """Have the model refuse the agent's credential, and ask the agent something."""
    claude.configure(agent.built.lab.state.folder, keys=("another",))
    assert agent.say("hello").returncode == 1


def accept(agent: AgentKeep) -> None:
    """Have the model take it again."""
    claude.configure(agent.built.lab.state.folder)
    wait("an answer", lambda: agent.say("hello").returncode == 0, 60)


HUNG = Fault(
    "agent",
    "NanoClaw hangs (SIGSTOP)",
    f"kill -STOP {NANOCLAW}",
    "loop-hung",
    ("process",),
    grown=True,
)
FAULTS = (
    Fault(
        "agent", "NanoClaw's job is booted out", f"launchctl bootout {JOB}", "job-missing", ("job",)
    ),
    Fault(
        "agent", "the socket of NanoClaw's own channel is removed", f"rm {STATE}/local.sock",
        "socket-dead", ("process",), grown=True, within_s=150,
    ),
    Fault(
        "agent", "the model refuses the credential", refuse, "credential-refused", undo=accept,
        within_s=120,
    ),
    Fault(
        "ssh",
        "sshd is gone from the guest",
        "launchctl bootout system/com.openssh.sshd",
        "sshd-dead",
        undo="launchctl bootstrap system /System/Library/LaunchDaemons/ssh.plist",
        within_s=150,
    ),
    Fault(
        "suid",
        "the mode of root's copy is changed (chmod u-s)",
        "host: chmod u-s /opt/clawkeep/libexec/softnet",
        "suid-lost",
        undo="host: chmod u+s /opt/clawkeep/libexec/softnet",
    ),
    Fault(
        "keychain",
        "the login keychain is locked when the guest starts",
        f"host: rm {KEYCHAIN}; {TART_STOP}",
        "keychain-locked",
        undo=f"host: touch {KEYCHAIN}; chown operator {KEYCHAIN}",
        mended_s=240,
    ),
    Fault(
        "slots", "other guests have taken both places", both_places_taken, "slots-taken",
        undo=f"host: {end_others('second', 'third')}", names="by second, third", within_s=150,
        mended_s=240,
    ),
    Fault(
        "slots", "macOS counts guests that are not there", one_place_leaked, "slot-leaked",
        undo=reboot, names="no other VM runs", within_s=150, mended_s=300,
    ),
    Fault(
        "disk-full", "the guest's disk", full(STATE), "guest-disk-full", undo=roomy(STATE),
        before=f"{on_small_disk(STATE, AGENT_DOWN)}; {AGENT_UP}",
        after=f"{off_small_disk(STATE, AGENT_DOWN)}; {AGENT_UP}",
    ),
    Fault(
        "disk-full", "the Mac's disk, where tart keeps its VMs", f"host: {full(VMS)}",
        "host-disk-full", undo=f"host: {roomy(VMS)}", before=vms_on_small_disk,
        after=vms_off_small_disk,
    ),
    Fault(
        "wedge", "the guest has 169.254.7.7, another guest runs", WEDGE, "vmnet-wedge", ("guest",),
        within_s=150, mended_s=400, names="other VMs: second",
        before=f"host: {run_others('second')}", after=f"host: {end_others('second')}",
    ),
    Fault(
        "guest-ends", "the guest is frozen", FREEZE, "guest-frozen", by="guest, by the guard",
        within_s=300, mended_s=600,
    ),
)  # fmt: skip
