"""The repairs: what is started anew, and how. Each is asked for once and has its time limit.

NanoClaw's process gets the chance to end in order before it is killed: after a kill it counts a
crash, and waits at its next starts (reference/nanoclaw.md §1.10). In the guest all is done by
launchctl as the agent's user over vsock, so that it works while the network does not.
"""

from __future__ import annotations

import subprocess

from clawkeep import tart
from clawkeep.canary import ask
from clawkeep.health.causes import GUEST, HOLD, JOB, PROCESS
from clawkeep.health.plan import Plan
from clawkeep.onhost import guests, world
from clawkeep.onhost.health_look import ENTER
from clawkeep.onhost.plain import plain
from clawkeep.policy import Policy

GUEST_S = 60.0
HOLD_S = 10.0
DONE = "@done"

#: bootout's status for a job that still drains. Source: reference/macos.md §4.2.
ASYNCHRONOUS = 36

PID = "launchctl print \"$j\" 2>/dev/null | sed -n 's/^[[:space:]]*pid = //p' | head -n 1"

#: $1 the job's label. launchd itself starts a job that ended: kickstart only spares its throttle.
RESTART = f"""
j=gui/$(id -u)/$1; p=$({PID})
if [ -n "$p" ]; then
  launchctl kill SIGTERM "$j"; n=0
  while [ "$({PID})" = "$p" ] && [ $n -lt 12 ]; do sleep 1; n=$((n + 1)); done
fi
if [ -n "$p" ] && [ "$({PID})" = "$p" ]; then launchctl kickstart -k "$j"
else launchctl kickstart "$j"; fi
launchctl print "$j" >/dev/null && echo {DONE}
"""

#: $1 the job's label. `bootout` returns while the job still drains (reference/macos.md §4.2).
RELOAD = f"""
d=gui/$(id -u); f=$HOME/Library/LaunchAgents/$1.plist
launchctl bootout "$d/$1" 2>/dev/null; n=0
while launchctl print "$d/$1" >/dev/null 2>&1 && [ $n -lt 40 ]; do sleep 1; n=$((n + 1)); done
launchctl enable "$d/$1"; n=0
until launchctl bootstrap "$d" "$f" || launchctl print "$d/$1" >/dev/null 2>&1 || [ $n -ge 5 ]
do sleep 1; n=$((n + 1)); done
launchctl kickstart "$d/$1"
launchctl print "$d/$1" >/dev/null && echo {DONE}
"""

SCRIPTS = {PROCESS: RESTART, JOB: RELOAD}


def do(action: str, policy: Policy, plan: Plan) -> str:
    """Do one repair; say what came of it. Never raises."""
    try:
        if action == GUEST:
            return _guest(policy)
        if action == HOLD:
            return _hold(policy)
        return _inside(policy, SCRIPTS[action], plan.agent.label if plan.agent else "")
    except (OSError, subprocess.SubprocessError) as error:
        return f"not done: {error}"


def _guest(policy: Policy) -> str:
    """Have the guest's supervisor end it; launchd starts it again. One that is not there starts."""
    job = f"gui/{policy.owner_uid}/{guests.VM_LABEL}"
    if world.run(["/bin/launchctl", "kill", "SIGTERM", job]).returncode == 0:
        return "its supervisor was asked to shut it down; launchd starts it again"
    done = world.run(["/bin/launchctl", "kickstart", job])
    return "its job was started" if done.returncode == 0 else _words(done)


def _hold(policy: Policy) -> str:
    """Unload the guest's job, which leaves it down until a converge."""
    job = f"gui/{policy.owner_uid}/{guests.VM_LABEL}"
    try:
        done = world.run(["/bin/launchctl", "bootout", job], timeout_s=HOLD_S)
    except subprocess.TimeoutExpired:
        return "its job is being unloaded"
    return "its job was unloaded" if done.returncode in {0, ASYNCHRONOUS} else _words(done)


def _inside(policy: Policy, script: str, label: str) -> str:
    words = [tart.TART, "exec", "-i", policy.guest, "/bin/sh", "-c", ENTER, "sh"]
    said = ask.as_owner(policy, [*words, "/bin/sh", "-s", label], script, GUEST_S)
    lines = said.strip().splitlines()
    if lines and lines[-1] == DONE:
        return "done"
    return f"not done: {plain(lines[-1]) if lines else 'the guest did not answer'}"


def _words(done: subprocess.CompletedProcess[str]) -> str:
    return f"not done: launchctl: {plain(done.stderr.strip()) or done.returncode}"
