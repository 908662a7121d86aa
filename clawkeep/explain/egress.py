"""What the guest may reach of the internet, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from clawkeep import profiles
from clawkeep.explain.prose import code, listed
from clawkeep.model import Keep
from clawkeep.policy import PROXY_PORT, EgressPolicy


def sentences(policy: EgressPolicy, keep: Keep) -> Iterator[str]:
    """Yield what is open, by mode; `policy` is that of the declared `keep`."""
    if policy.mode == "cidrs":
        yield from _cidrs(policy)
    elif policy.mode == "domains":
        yield from _domains(policy, keep)
    else:
        yield "Nothing. The guest reaches no address of the internet and can look up no name of it."


def _cidrs(policy: EgressPolicy) -> Iterator[str]:
    ports = listed((code(port) for port in policy.ports), "or")
    for cidr in policy.cidrs:
        yield f"TCP to {code(cidr)}, port {ports}: every machine that has an address in there."
    yield (
        "Nothing else. It can look up no name, so it has to know these addresses; who is behind an "
        "address may change without anybody's notice."
    )


def _domains(policy: EgressPolicy, keep: Keep) -> Iterator[str]:
    yield (
        f"Only what a proxy on the gateway (port {code(PROXY_PORT)}) connects to for it. The proxy "
        "looks names up by itself and refuses every name that is not listed, every address given "
        "instead of a name, and every name that leads to a private address."
    )
    how = "by HTTPS (port 443)"
    if policy.http:
        how += " and by plain HTTP (port 80)"
    for entry in policy.domains:
        below = " and every name below it" if entry.startswith(".") else ""
        yield f"{code(entry.removeprefix('.'))}{below}, {how}{_why(entry, keep)}."
    for profile in keep.egress.asked:
        yield (
            f"The package index that the Mac's own {code(profile)} is set to, {how} (profile "
            f"{code(profile)}); which one that is, is asked of the Mac when the keep is built."
        )
    yield (
        "What it says to those machines is encrypted and nobody looks inside: a listed site that "
        "takes uploads is a way out for data."
    )


def _why(entry: str, keep: Keep) -> str:
    """Name the profiles that an entry came from, when it was not declared itself."""
    if entry in keep.egress.domains:
        return ""
    of = [name for name in keep.egress.profiles if entry in profiles.DOMAINS[name]]
    return f" (profile {listed((code(name) for name in of), 'and')})" if of else ""


def reporting(policy: EgressPolicy) -> str:
    """Say whether and until when the proxy only reports."""
    if policy.report_until is None:
        return (
            "The proxy refuses what is not listed from the first moment: it does not only report."
        )
    until = datetime.fromtimestamp(policy.report_until, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return (
        f"Until {code(until)} the proxy lets every public name pass and only notes those that are "
        "not listed; from that moment on it refuses them."
    )
