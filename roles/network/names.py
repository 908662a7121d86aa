"""The guest's /etc/hosts: the names of its services lead to the gateway. It needs no DNS."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.model import Service
from clawkeep.render.hosts import hosts_block, merge
from roles.bundle import File, install
from roles.network.gateway import ASK, NoGatewayError, gateway
from roles.probe import Answer, Probe, ask, change, want

HOSTS = "/etc/hosts"
FLUSH = "dscacheutil -flushcache; killall -HUP mDNSResponder 2>/dev/null || true"
"""Has the guest forget what it knew of names. Never on a host: its guests would lose DNS."""


def _gateway_and_hosts(answer: Answer) -> tuple[str, str]:
    first, _, text = answer.text.partition("\n")
    return first.strip(), text + "\n"


STATE = Probe("hosts file", f"{ASK}; cat {HOSTS}", _gateway_and_hosts)


def hosts(name: str, services: Sequence[Service]) -> None:
    """Have our lines, and only ours, say where the services are; all others stay."""
    want(STATE)
    _hosts(name=name, services=list(services))


@operation()
def _hosts(services: list[Service]) -> Generator[StringCommand, None, None]:
    line, text = ask(STATE)
    try:
        block = hosts_block(services, gateway(line))
    except NoGatewayError as error:
        yield change('echo "$1" >&2; exit 1', str(error))
        return
    merged = merge(text, block)
    if merged == text:
        host.noop("the names are as declared")
        return
    yield install([File(HOSTS, merged.encode())])
    yield change(FLUSH, sudo=True)
