"""NanoClaw's job in the guest: the active release, and exactly one process that runs it.

The job is an agent of the service user's GUI session. It is started anew when its release, its
environment, its `.env` or its credentials are others than it was started with, and otherwise left
alone. What it was started with is noted as a hash in a folder of root's.
"""

from __future__ import annotations

import hashlib
import plistlib
from collections.abc import Generator
from dataclasses import dataclass

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Agent, Keep
from clawkeep.nanoclaw.env import place
from clawkeep.render.plist import nanoclaw_agent
from roles.agent.checkout import Releases, as_user, refuse, releases, specification
from roles.agent.runtime import ROOT
from roles.base.account import MARKS
from roles.network.egress import guest_variables
from roles.network.gateway import NoGatewayError
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

STATE = f"{ROOT}/state"
LOADED = f"{MARKS}/loaded"
UNBUILT = "000000000000-00000000"
"""What a plan shows for a release that the run will build."""


@dataclass(frozen=True)
class _Seen:
    """The job as it is: hashes of its plist and of what it reads, and whether launchd has it."""

    gateway: str = ""
    mark: str = ""
    plist: str = ""
    inputs: str = ""
    loaded: bool = False
    started: bool = False


def _seen(answer: Answer) -> _Seen:
    parts = [part.strip("\n") for part in f"{answer.text}\n".split("@@\n")]
    if len(parts) != 5:
        return _Seen()
    gateway, mark, plist, inputs, job = parts
    lines = [line.strip() for line in job.splitlines()]
    return _Seen(
        gateway.strip(),
        mark.strip(),
        plist.strip(),
        inputs,
        loaded=bool(lines),
        # launchd can leave a job that it loaded for ever unstarted (reference/nanoclaw.md §1.3).
        started="runs = 0" not in lines,
    )


# Of what holds secrets only its length and since when it stands: any hash that is shown would let
# one be guessed. A file that differs is replaced (roles/agent/secrets.py). The time has nanoseconds
# (stat(1) of macOS, `F`); the inode would be another one in a restored copy of the disk.
LOOK = r"""route -n get default | sed -n 's/^ *gateway: *//p'; echo @@
cat {loaded}/{label}; echo; echo @@
f=/Users/{user}/Library/LaunchAgents/{label}.plist
[ -f "$f" ] && [ ! -L "$f" ] && [ "$(stat -f '%Su %Lp' "$f")" = '{user} 644' ] &&
  shasum -a 256 <"$f"
echo; echo @@
for f in {state}/.env {state}/credentials; do
  stat -f '%Fm %z %N' "$f" || echo "none $f"
done; echo @@
launchctl print "gui/$(id -u {user})/{label}"
true"""


def _probe(user: str, label: str) -> Probe[_Seen]:
    script = LOOK.format(loaded=LOADED, label=label, user=user, state=STATE)
    return Probe(f"agent job {label}", script, _seen, sudo=True)


def running(name: str, keep: Keep, agent: Agent) -> None:
    """Have the declared release active, and NanoClaw running it with what it reads now."""
    want(releases(keep, agent))
    want(_probe(keep.guest.user, agent.release_profile.label))
    _running(name=name, keep=keep, agent=agent)


@operation()
def _running(keep: Keep, agent: Agent) -> Generator[StringCommand, None, None]:
    there = ask(releases(keep, agent))
    user, label = keep.guest.user, agent.release_profile.label
    seen = ask(_probe(user, label))
    release = _release(there, agent)
    try:
        environment = guest_variables(keep, seen.gateway) if release != UNBUILT else {}
    except NoGatewayError as error:
        yield refuse(str(error))
        return
    if release == UNBUILT and host.state.is_executing:
        yield refuse(
            f"{host.name}: there is no release of what is declared; see what its build said"
        )
        return
    plist = job(keep, agent, release, environment)
    mark = hashlib.sha256(b"\0".join([plist, seen.inputs.encode()])).hexdigest()
    why = _why(seen, plist, mark)
    if why:
        told(label, why)
        yield change(START, user, label, mark, LOADED, f"{ROOT}/releases/{release}",
                     agent.release_profile.banner, sudo=True, stdin=plist.decode(),
                     everywhere=True)  # fmt: skip
    # Only now: what does not come up is not the active one.
    if there.active != release:
        told(f"release {release}", f"active instead of {there.active or 'none'}")
        yield as_user(keep, "activate", release)
    elif not why:
        host.noop(f"{label} runs release {release}")


def _release(there: Releases, agent: Agent) -> str:
    return there.built(specification(agent)["digest"]) or UNBUILT


def _why(seen: _Seen, plist: bytes, mark: str) -> str | None:
    if not seen.plist.startswith(hashlib.sha256(plist).hexdigest()):
        return "its plist is missing or differs"
    if not seen.loaded:
        return "not loaded"
    if not seen.started:
        return "loaded, and never started"
    return None if seen.mark == mark else "what it reads has changed since it was started"


def job(keep: Keep, agent: Agent, release: str, environment: dict[str, str]) -> bytes:
    """Return the plist of NanoClaw's job for a release."""
    profile = agent.release_profile
    return nanoclaw_agent(
        profile.label,
        node=profile.node,
        release=f"{ROOT}/releases/{release}",
        home=f"/Users/{keep.guest.user}",
        logs=f"{STATE}/logs",
        environment=environment | place(agent.env, agent.keys).process,
    )


INSTALLED: Probe[bool] = Probe(
    "agent state", f"[ -d {STATE} ]", lambda answer: answer.status == 0, sudo=True
)


def session_job(
    name: str, user: str, plist: bytes, needs: bytes = b"", *, first: bool = True
) -> None:
    """Have another job of the service user's session loaded with this plist.

    `needs` is what its program reads only at its start. Without `first` it is left to the phase
    `agent` where that was never run: the job works in the agent's folders.
    """
    want(INSTALLED)
    want(_probe(user, str(plistlib.loads(plist)["Label"])))
    _session_job(name=name, user=user, plist=plist, needs=needs, first=first)


@operation()
def _session_job(
    user: str, plist: bytes, needs: bytes, first: bool
) -> Generator[StringCommand, None, None]:
    label = str(plistlib.loads(plist)["Label"])
    if not first and not ask(INSTALLED):
        host.noop(f"{label} is loaded by the phase agent, which was not run yet")
        return
    seen = ask(_probe(user, label))
    mark = hashlib.sha256(b"\0".join([plist, needs])).hexdigest()
    if why := _why(seen, plist, mark):
        told(label, why)
        yield change(START, user, label, mark, LOADED, "", "", sudo=True, stdin=plist.decode(),
                     everywhere=True)  # fmt: skip
    else:
        host.noop(f"{label} is loaded as declared")


# $1 user, $2 label, $3 mark, $4 folder of marks; for NanoClaw also $5, its release, and $6, what it
# says when it is up. The plist is on stdin. It is read and written as the user, whose folder it is:
# root must follow no link of theirs. NanoClaw's own process is told from its agents' by `agent/` in
# their path. What does not come up makes room again for what ran before.
START = r"""set -eu
user=$1 label=$2 mark=$3 marks=$4 release=$5 banner=$6
job="gui/$(id -u "$user")"
plist="/Users/$user/Library/LaunchAgents/$label.plist"
as_user() { sudo -n -u "$user" -H "$@"; }
pid_of() {
  launchctl print "$job/$label" 2>/dev/null | sed -n 's/^[[:space:]]*pid = //p' | head -n 1
}
nanoclaws() {
  ps -axo pid=,user=,args= | awk -v u="$user" \
    '$2 == u && /[\/ ]dist\/index\.js( |$)/ && !/\/agent\/dist\/index\.js/ { print $1 }'
}
write() {
  as_user sh -c 'set -eu
umask 022; f=$1; d=$(dirname "$f"); mkdir -p "$d"
n="$d/.$(basename "$f").clawkeep~"; rm -f "$n"; cat > "$n"
plutil -lint -s "$n" >&2
mv -f "$n" "$f"' clawkeep "$plist"
}
load() {
  launchctl enable "$job/$label"
  launchctl bootout "$job/$label" >/dev/null 2>&1 || true
  i=0
  while launchctl print "$job/$label" >/dev/null 2>&1; do
    i=$((i+1)); [ $i -lt 600 ] || { echo "$label is still draining after 60 s"; return 1; }
    sleep 0.1
  done
  i=0
  until m=$(launchctl bootstrap "$job" "$plist" 2>&1); do
    i=$((i+1)); [ $i -lt 6 ] || { echo "launchctl bootstrap $job $plist: $m"; return 1; }
    sleep 1
  done
  launchctl kickstart "$job/$label" >/dev/null 2>&1 || true
}
says() { # $1 pid, $2 words
  as_user sh -c 'cd /opt/nanoclaw/state/logs
newest=$(ls clean/agent-*.log 2>/dev/null | tail -n 1)
for f in nanoclaw.log $newest; do
  [ -f "$f" ] && tail -c 200000 "$f" | grep -Eaq "\($1\).*$2" && exit 0
done
exit 1' clawkeep "$1" "$2"
}
up() { # $1 what it says
  i=0
  until p=$(pid_of) && [ -n "$p" ]; do
    i=$((i+1)); [ $i -lt 100 ] || break
    sleep 0.1
  done
  i=0
  limit=$(($(date +%s) + 60))
  while [ -n "$p" ] && [ "$(pid_of)" = "$p" ]; do
    i=$((i+1))
    if [ -z "$1" ]; then
      [ $i -lt 10 ] || return 0
    elif says "$p" "$1"; then
      sleep 1
      [ "$(pid_of)" != "$p" ] || return 0
      break
    elif [ "$(date +%s)" -ge "$limit" ]; then
      echo "$label runs, and does not say that it is up: a channel that cannot connect keeps it" \
        "waiting; see clawkeep logs agent"
      return 1
    fi
    sleep 0.2
  done
  code=$(launchctl print "$job/$label" | sed -n 's/^[[:space:]]*last exit code = //p' | head -n 1)
  echo "$label does not stay up: its last exit code is ${code:-unknown}; see clawkeep logs agent"
  return 1
}
alone() {
  p=$(pid_of)
  case $(ps -o args= -p "$p") in
  *"$release/dist/index.js"*) ;;
  *) echo "$label runs something else than $release: $(ps -o args= -p "$p")"; return 1 ;;
  esac
  [ "$(nanoclaws)" = "$p" ] || { echo "more than one NanoClaw runs as $user"; return 1; }
}
if [ -n "$release" ]; then
  own=$(pid_of)
  for p in $(nanoclaws); do
    [ "$p" != "$own" ] || continue
    echo "another NanoClaw runs as $user, outside of $label (pid $p: $(ps -o args= -p "$p")); two" \
      "would answer twice: stop it" >&2
    exit 1
  done
fi
mkdir -p -m 755 "$marks"
before=
if launchctl print "$job/$label" >/dev/null 2>&1; then before=$(as_user cat "$plist"); fi
marked=$(cat "$marks/$label" 2>/dev/null || true)
rm -f "$marks/$label"
write
if why=$(load && up "$banner" && { [ -z "$release" ] || alone; }); then
  printf '%s\n' "$mark" > "$marks/$label"
  exit 0
fi
echo "$why" >&2
if [ -n "$release" ] && [ -n "$before" ]; then
  printf '%s\n' "$before" | write
  if why=$(load && up 'NanoClaw running'); then
    [ -z "$marked" ] || printf '%s\n' "$marked" > "$marks/$label"
    echo "what ran before runs again" >&2
  else
    echo "what ran before does not run any more, either: $why" >&2
  fi
fi
exit 1
"""
