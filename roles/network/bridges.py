"""The bridges: one daemon per service, as a user that owns nothing.

Their jobs are constant: `clawkeep bridge NAME` looks up gateway, guest and target when it starts.
So one probe looks at all of them. Which of them must be started anew when something else has
changed, and which must go, is the host's own business (clawkeep/onhost/bridges.py): it knows the
grants too, whose bridges look just like these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Keep
from clawkeep.model.service import LABEL_PREFIX
from clawkeep.render.bridge import LOG_DIR
from clawkeep.render.plist import bridge_daemon
from roles import launchd
from roles.differing import diffs
from roles.network.guard import enforce
from roles.network.link import live_link
from roles.probe import Answer, Probe, ask, change, want
from roles.told import planning, told

__all__ = ["LOG_DIR", "daemon_user", "jobs", "listening"]


def _user_probe(user: str) -> Probe[bool]:
    return Probe(
        f"daemon user {user}",
        # Its line as in passwd, which ends in the shell.
        f"id -P {user} | grep -q ':/usr/bin/false$'",
        lambda answer: answer.asked and answer.status == 0,
    )


def daemon_user(name: str, user: str) -> None:
    """Have a hidden user without shell, home or password for the bridges to run as."""
    want(_user_probe(user))
    _daemon_user(name=name, user=user)


@operation()
def _daemon_user(user: str) -> Generator[StringCommand, None, None]:
    if user == "nobody" or ask(_user_probe(user)):
        host.noop(f"{user} is there")
        return
    yield change(CREATE_USER, user, sudo=True)


# opendirectoryd writes an account only when it ends (reference/macos.md §5): without the flush a
# power cut takes the user away. UserShell is written last: it is what the probe looks for.
CREATE_USER = r"""set -eu
id=300
while dscl . -list /Users UniqueID | grep -Eq "[[:space:]]$id\$"; do id=$((id+1)); done
r="/Users/$1"
dscl . -create "$r"
dscl . -create "$r" UniqueID "$id"
dscl . -create "$r" PrimaryGroupID -2
dscl . -create "$r" RealName "Clawkeep"
dscl . -create "$r" NFSHomeDirectory /var/empty
dscl . -create "$r" IsHidden 1
dscl . -create "$r" UserShell /usr/bin/false
killall opendirectoryd 2>/dev/null || true
i=0
until id "$1" >/dev/null 2>&1; do
  i=$((i+1)); [ $i -lt 100 ] || { echo "$1 was gone after opendirectoryd was flushed" >&2; exit 1; }
  sleep 0.2
done
sync
"""


@dataclass(frozen=True)
class _Installed:
    """By label: each plist's hash and owner, with what hash it was loaded; and what is loaded."""

    hashes: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    loaded: frozenset[str] = frozenset()

    def lacks(self, label: str, mark: str) -> str | None:
        """Say why the job of this hash is not there as declared, None when it is."""
        if label not in self.hashes:
            return "not there"
        if self.hashes[label] != mark:
            return "not as declared"
        if self.owners.get(label) != "root:wheel:644":
            return f"owner and mode are {self.owners.get(label)}"
        if label not in self.loaded:
            return "not loaded"
        return None if self.marks.get(label) == mark else "to be reloaded"


def _installed(answer: Answer) -> _Installed:
    parts = answer.text.split("\n@@\n")
    if len(parts) != 4:
        return _Installed()
    hashes, owners, marks, jobs = (part.splitlines() for part in parts)
    return _Installed(
        hashes={name.removesuffix(".plist"): value for value, name in _pairs(hashes)},
        owners={name.removesuffix(".plist"): value for value, name in _pairs(owners)},
        marks={name: value for name, _, value in (line.partition(":") for line in marks)},
        loaded=frozenset(line.split()[-1] for line in jobs if line.strip()),
    )


def _pairs(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        value, *rest = line.split()
        if rest:
            yield value, rest[-1]


# One probe for all bridges, and one process per question, however many there are.
INSTALLED: Probe[_Installed] = Probe(
    "bridges",
    f"""cd {launchd.SYSTEM.folder} && shasum -a 256 {LABEL_PREFIX}*.plist; echo; echo @@
stat -f '%Su:%Sg:%Lp %N' {LABEL_PREFIX}*.plist; echo; echo @@
cd {launchd.LOADED} && grep -H . {LABEL_PREFIX}*; echo; echo @@
launchctl list""",
    _installed,
    sudo=True,
)


def jobs(name: str, keep: Keep) -> None:
    """Have the job of every service's bridge loaded; one that is no longer declared stays as is.

    The host loads them itself, with its lock held: two who load the same job at the same time can
    each take what the other drains for loaded, and leave none (reference/macos.md §4.2).
    """
    want(INSTALLED)
    _jobs(name=name, keep=keep)


@operation()
def _jobs(keep: Keep) -> Generator[StringCommand, None, None]:
    installed = ask(INSTALLED)
    user = keep.host.bridge_user
    wrong = []
    for service in keep.services:
        plist = bridge_daemon(service.name, user)
        mark = hashlib.sha256(plist).hexdigest()
        if why := installed.lacks(service.label, mark):
            wrong.append((service.label, plist, why))
    if not wrong:
        host.noop(f"{len(keep.services)} bridges are loaded as declared")
        return
    shown = {}
    if planning():
        shown = diffs({f"{launchd.SYSTEM.folder}/{label}.plist": p for label, p, _ in wrong})
    for label, _, why in wrong:
        diff = shown.get(f"{launchd.SYSTEM.folder}/{label}.plist", "")
        told(label, why, "+" if why == "not there" else "~", diff)
    yield enforce("--jobs")


def _listeners(answer: Answer) -> set[str]:
    """Read `lsof` lines such as `socat 812 _clawkeep 5u IPv4 … TCP 192.168.64.1:18443 (LISTEN)`."""
    return {word for line in answer.text.splitlines() for word in line.split()[-2:-1]}


LISTENERS: Probe[set[str]] = Probe(
    "listeners", "lsof -nP -iTCP -sTCP:LISTEN", _listeners, sudo=True
)


def listening(name: str, keep: Keep) -> None:
    """Have every bridge listening on the gateway before anything relies on it."""
    want(live_link(keep.guest.name))
    want(LISTENERS)
    _listening(name=name, keep=keep)


@operation()
def _listening(keep: Keep) -> Generator[StringCommand, None, None]:
    link = ask(live_link(keep.guest.name))
    if isinstance(link, str):
        yield change('echo "$1" >&2; exit 1', link)
        return
    wanted = {f"{link.gateway}:{service.port}" for service in keep.services}
    listeners = ask(LISTENERS)
    missing = sorted(wanted - listeners)
    if not missing:
        host.noop(f"{len(wanted)} listeners on {link.gateway}")
        return
    yield change(WAIT_LISTENING, *missing, sudo=True)


WAIT_LISTENING = r"""i=0
for a in "$@"; do
  until lsof -nP "-iTCP@$a" -sTCP:LISTEN >/dev/null 2>&1; do
    i=$((i+1))
    if [ $i -ge 150 ]; then
      echo "nothing listens on $a after 15 s; the bridges' logs say:" >&2
      tail -n 3 /var/log/clawkeep/bridge-*.log >&2; exit 1
    fi
    sleep 0.1
  done
done
"""
