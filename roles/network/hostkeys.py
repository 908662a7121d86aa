"""Host keys of the services of kind ssh: pinned on the host, where no guest can change them."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyinfra import host
from pyinfra.api import State, operation
from pyinfra.api.command import StringCommand

from clawkeep.hostkeys import HostKey, Judgement, judge, parse, text
from clawkeep.model import Keep, Service
from connectors.tart import TartConnector
from roles.bundle import File, install
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

PINS = "/opt/clawkeep/etc/hostkeys"

#: Seconds that a service has to show its keys; one that is down holds up every run so long.
PATIENCE_S = 2

_known: WeakKeyDictionary[State, dict[str, tuple[HostKey, ...]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class _Found:
    pinned: tuple[HostKey, ...]
    seen: tuple[HostKey, ...]


def _found(answer: Answer) -> _Found:
    pins, _, scans = answer.text.partition("\n@@\n")
    return _Found(parse(pins), parse(scans))


def _probe(services: list[Service]) -> Probe[_Found]:
    """Return the probe that reads the pins and asks all services for their keys at once.

    From a session over SSH, not from a launch agent: Local Network privacy would cut that off
    (reference/macos.md §1.7).
    """
    scans = [
        f"ssh-keyscan -T {PATIENCE_S} -t ed25519,ecdsa,rsa -p {service.target.port} "
        f"{shlex.quote(service.target.host)} </dev/null | "
        f"""awk -v s={service.name} -v t={shlex.quote(str(service.target))} """
        """'NF == 3 && !/^#/ { print s, $2, $3, t }' &"""
        for service in services
    ]
    script = "\n".join([f"cat {PINS}; echo; echo @@", *scans, "wait; true"])
    names = " ".join(f"{service.name}={service.target}" for service in services)
    return Probe(f"host keys of {names}", script, _found)


def pinned(name: str, keep: Keep) -> None:
    """Have a host key on record for every service of kind ssh; one that has changed is an error."""
    if services := _services(keep):
        want(_probe(services))
        _pinned(name=name, services=services)


@operation()
def _pinned(services: list[Service]) -> Generator[StringCommand, None, None]:
    found = ask(_probe(services))
    judged = judge([(s.name, str(s.target)) for s in services], found.pinned, found.seen)
    _known.setdefault(host.state, {})[host.name] = judged.pinned
    for sentence in judged.silent:
        host.log(f"    {sentence}: ssh in the guest refuses it until a run has seen one")
    if judged.changed:
        yield change('echo "$1" >&2; exit 1', _words(judged))
        return
    if judged.pinned == found.pinned:
        host.noop(f"{len(services) - len(judged.silent)} of {len(services)} host keys are pinned")
        return
    for key in judged.pinned:
        if key not in found.pinned:
            told(key.service, f"pinned {key.fingerprint}", "+")
    yield install([File(PINS, text(judged.pinned).encode())])


def _words(judged: Judgement) -> str:
    return (
        f"{'; '.join(judged.changed)}. Somebody else may be answering there; if you changed the "
        f"key yourself, remove the service's line from {PINS} on {host.name} and run again"
    )


def of_guest(keep: Keep) -> tuple[HostKey, ...]:
    """Return the pins of the current guest's host; for use in an operation of the guest.

    They are those of this run; a plan, or a run limited to the guest, asks the host. Raises
    ConnectError.
    """
    connector = host.connector
    if not isinstance(connector, TartConnector) or not _services(keep):
        return ()
    on_host = connector.on_host
    known = _known.setdefault(host.state, {})
    if on_host.host.name not in known:
        known[on_host.host.name] = parse(on_host.ask(f"cat {PINS} 2>/dev/null; true"))
    return known.get(on_host.host.name, ())


def _services(keep: Keep) -> list[Service]:
    return [service for service in keep.services if service.kind == "ssh"]
