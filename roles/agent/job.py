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


# Of what holds secrets only which file it is and since when: any hash that is shown would let one
# be guessed. A file that differs is replaced by another one (roles/agent/secrets.py).
LOOK = r"""route -n get default | sed -n 's/^ *gateway: *//p'; echo @@
cat {loaded}/{label}; echo; echo @@
f=/Users/{user}/Library/LaunchAgents/{label}.plist
[ -f "$f" ] && [ ! -L "$f" ] && [ "$(stat -f '%Su %Lp' "$f")" = '{user} 644' ] &&
  shasum -a 256 <"$f"
echo; echo @@
for f in {state}/.env {state}/credentials; do
  stat -f '%i %m %N' "$f" || echo "none $f"
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
    if there.active != release:
        host.log(f"    release {release}: active instead of {there.active or 'none'}")
        yield as_user(keep, "activate", release)
    if why := _why(seen, plist, mark):
        host.log(f"    {label}: {why}")
        yield change(START, user, label, mark, LOADED, f"{ROOT}/releases/{release}",
                     sudo=True, stdin=plist.decode(), everywhere=True)  # fmt: skip
    elif there.active == release:
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


def session_job(name: str, user: str, plist: bytes, needs: bytes = b"") -> None:
    """Have another job of the service user's session loaded with this plist.

    `needs` is what its program reads only at its start.
    """
    want(_probe(user, str(plistlib.loads(plist)["Label"])))
    _session_job(name=name, user=user, plist=plist, needs=needs)


@operation()
def _session_job(user: str, plist: bytes, needs: bytes) -> Generator[StringCommand, None, None]:
    label = str(plistlib.loads(plist)["Label"])
    seen = ask(_probe(user, label))
    mark = hashlib.sha256(b"\0".join([plist, needs])).hexdigest()
    if why := _why(seen, plist, mark):
        host.log(f"    {label}: {why}")
        yield change(START, user, label, mark, LOADED, "", sudo=True, stdin=plist.decode(),
                     everywhere=True)  # fmt: skip
    else:
        host.noop(f"{label} is loaded as declared")


# $1 user, $2 label, $3 mark, $4 folder of marks, $5 the release of NanoClaw ("" for another job);
# the plist is on stdin. It is written as the user, whose folder it is: root must not write where a
# link of theirs leads. NanoClaw's own process is told from its agents' by `agent/` in their path.
START = r"""set -eu
job="gui/$(id -u "$1")"
plist="/Users/$1/Library/LaunchAgents/$2.plist"
mkdir -p -m 755 "$4"; rm -f "$4/$2"
sudo -n -u "$1" -H sh -c 'set -eu
umask 022; f=$1; d=$(dirname "$f"); mkdir -p "$d"
n="$d/.$(basename "$f").clawkeep~"; rm -f "$n"; cat > "$n"
plutil -lint -s "$n" >&2
mv -f "$n" "$f"' clawkeep "$plist"
launchctl enable "$job/$2"
launchctl bootout "$job/$2" >/dev/null 2>&1 || true
i=0
while launchctl print "$job/$2" >/dev/null 2>&1; do
  i=$((i+1)); [ $i -lt 600 ] || { echo "$2 is still draining after 60 s" >&2; exit 1; }
  sleep 0.1
done
nanoclaws() {
  ps -axo pid=,user=,args= | awk -v u="$1" \
    '$2 == u && /[\/ ]dist\/index\.js( |$)/ && !/\/agent\/dist\/index\.js/ { print $1 }'
}
if [ -n "$5" ]; then
  for p in $(nanoclaws "$1"); do
    echo "another NanoClaw runs as $1, outside of $2 (pid $p: $(ps -o args= -p "$p")); two would" \
      "answer twice: stop it" >&2
    exit 1
  done
fi
i=0
until m=$(launchctl bootstrap "$job" "$plist" 2>&1); do
  i=$((i+1)); [ $i -lt 6 ] || { echo "launchctl bootstrap $job $plist: $m" >&2; exit 1; }
  sleep 1
done
launchctl kickstart "$job/$2" >/dev/null 2>&1 || true
pid_of() { launchctl print "$job/$2" 2>/dev/null | sed -n 's/^[[:space:]]*pid = //p' | head -n 1; }
i=0
until p=$(pid_of "$@") && [ -n "$p" ]; do
  i=$((i+1)); [ $i -lt 100 ] || break
  sleep 0.1
done
sleep "${6:-3}"
now=$(pid_of "$@")
if [ -z "$p" ] || [ "$p" != "$now" ]; then
  code=$(launchctl print "$job/$2" | sed -n 's/^[[:space:]]*last exit code = //p' | head -n 1)
  echo "$2 does not stay up: its last exit code is ${code:-unknown}; see its logs in" \
    "/opt/nanoclaw/state/logs" >&2
  exit 1
fi
if [ -n "$5" ]; then
  case $(ps -o args= -p "$p") in
  *"$5/dist/index.js"*) ;;
  *) echo "$2 runs something else than $5: $(ps -o args= -p "$p")" >&2; exit 1 ;;
  esac
  [ "$(nanoclaws "$1")" = "$p" ] || { echo "more than one NanoClaw runs as $1" >&2; exit 1; }
fi
printf '%s\n' "$3" > "$4/$2"
"""
