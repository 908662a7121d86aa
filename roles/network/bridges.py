"""The bridges: one socat daemon per service, on the gateway, as a user that owns nothing."""

from __future__ import annotations

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Keep, Service
from clawkeep.render.bridge import LOG_DIR
from clawkeep.render.plist import bridge_daemon
from roles import launchd
from roles.bundle import Found, look
from roles.network.anchor import no_link
from roles.network.link import live_link
from roles.probe import Answer, Probe, ask, change, want

__all__ = ["LOG_DIR", "bridge", "daemon_user", "listening"]


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


# UserShell is written last: it is what the probe looks for.
CREATE_USER = r"""set -eu
id=300
while dscl . -list /Users UniqueID | grep -Eq "[[:space:]]$id\$"; do id=$((id+1)); done
r="/Users/$1"
dscl . -create "$r"
dscl . -create "$r" UniqueID "$id"
dscl . -create "$r" PrimaryGroupID -2
dscl . -create "$r" RealName "Clawkeep bridges"
dscl . -create "$r" NFSHomeDirectory /var/empty
dscl . -create "$r" IsHidden 1
dscl . -create "$r" UserShell /usr/bin/false
id "$1" >/dev/null
"""


def bridge(name: str, service: Service, keep: Keep) -> None:
    """Have the bridge of `service` loaded, bound to the gateway of the live link."""
    want(live_link(keep.guest.name))
    want(_plists(keep))
    want(launchd.state(launchd.SYSTEM, service.label))
    _bridge(name=name, service=service, keep=keep)


@operation()
def _bridge(service: Service, keep: Keep) -> Generator[StringCommand, None, None]:
    link = ask(live_link(keep.guest.name))
    if isinstance(link, str):
        yield from no_link(link)
        return
    # The whole guest network: the guest's address changes with its lease, the anchor names it.
    plist = bridge_daemon(service, link.gateway, link.network, user=keep.host.bridge_user)
    yield from launchd.converge(launchd.SYSTEM, plist, files=_plists(keep))


def _plists(keep: Keep) -> Probe[Found]:
    """Return the one probe that looks at the plists of all bridges."""
    folder = launchd.SYSTEM.folder
    return look([f"{folder}/{label}.plist" for label in sorted(keep.bridge_labels)])


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
        yield from no_link(link)
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
