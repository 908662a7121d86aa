"""dnsmasq.conf of the resolver: the declared names, and nothing else in the world.

It has no upstream at all, so no query leaves the host: a resolver that forwards is a way out for
data. `host-record` names exactly one name, where `address` would take all names below it, too;
`local=/#/` says of every other name that it does not exist. What the configuration does not answer
is no answer: other types of a known name come back empty. Standard library only: the host renders
it. Measured: dnsmasq 2.90. Source: reference/macos.md §1.4, §8.
"""

from __future__ import annotations

from clawkeep.link import Link
from clawkeep.policy import RESOLVER_PORT, Openings
from clawkeep.traffic.formats import RESOLVER_LOG

DNSMASQ = "/opt/homebrew/sbin/dnsmasq"
LOG_DIR = "/var/log/clawkeep"

TTL_S = 60
"""How long a guest may keep an answer: the gateway changes from start to start of the guest."""


def names(openings: Openings) -> tuple[str, ...]:
    """Return the names that the resolver knows, each once."""
    return tuple(dict.fromkeys(door.guest_name for door in openings.doors if door.guest_name))


def dnsmasq_conf(openings: Openings, link: Link, *, user: str, log_dir: str = LOG_DIR) -> str:
    """Return dnsmasq.conf for what is open at this moment; Openings.resolver must be true.

    It listens on the gateway alone, as `user`, who must be able to write `log_dir`.
    """
    lines = (
        "# Written by clawkeep. Do not edit: it is rendered anew.",
        f"listen-address={link.gateway}",
        f"port={RESOLVER_PORT}",
        # Without it dnsmasq binds the wildcard address and sorts out afterwards.
        "bind-interfaces",
        # Started unprivileged it stays what it is; it only wants to know the name.
        f"user={user}",
        # launchd knows the process.
        "pid-file=",
        # No upstream, no hosts file, no words about itself, and nothing kept.
        "no-resolv",
        "no-poll",
        "no-hosts",
        "no-ident",
        "local=/#/",
        "cache-size=0",
        f"local-ttl={TTL_S}",
        "log-queries=extra",
        f"log-facility={log_dir}/{RESOLVER_LOG}",
        *(f"host-record={name},{link.gateway}" for name in names(openings)),
    )
    return "\n".join(lines) + "\n"
