"""Softnet's filter as nftables, on the guest's port: every frame out of the guest passes here.

Source: reference/tart.md §2.2. Towards the guest only ARP and IPv4 pass, unfiltered otherwise.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from .policy import EVERYTHING, NOT_GLOBAL, Policy

NFT = "/System/Lab/linux/sbin/nft"


@dataclass(frozen=True)
class Filter:
    """What one port lets through: frames of `mac` with source `address`, as `policy` says."""

    port: str
    mac: str
    address: str
    gateway: str
    policy: Policy


def render(wanted: Filter) -> str:
    """Write the nftables script that replaces the port's filter in one transaction."""
    table = f"netdev softnet-{wanted.port}"
    rules = "\n".join(f"\t\t{rule}" for rule in _outgoing(wanted))
    return f"""\
add table {table}
delete table {table}
table {table} {{
	chain from_guest {{
		type filter hook ingress device "{wanted.port}" priority 0; policy drop;
{rules}
	}}
	chain to_guest {{
		type filter hook egress device "{wanted.port}" priority 0; policy drop;
		ether type {{ ip, arp }} counter accept
	}}
}}
"""


def _outgoing(wanted: Filter) -> list[str]:
    own = f"ip saddr {wanted.address}"
    rules = [
        f"ether saddr != {wanted.mac} counter drop",
        f"arp saddr ether {wanted.mac} arp saddr ip {wanted.address} counter accept",
        f"arp saddr ether {wanted.mac} arp saddr ip 0.0.0.0 counter accept",
        "ether type != ip counter drop",
        "ip daddr 255.255.255.255 udp dport 67 counter accept",
        f"ip saddr != {wanted.address} counter drop",
    ]
    for net, allowed in wanted.policy.decisions():
        verdict = "accept" if allowed else "drop"
        to = "" if net == EVERYTHING else f" ip daddr {net}"
        rules.append(f"{own}{to} counter {verdict}")
    rules.append(f"{own} ip daddr {wanted.gateway} counter accept")
    rules += [f"{own} ip daddr {one} udp dport 53 counter accept" for one in wanted.policy.dns]
    private = ", ".join(str(net) for net in NOT_GLOBAL)
    return [*rules, f"{own} ip daddr {{ {private} }} counter drop", f"{own} counter accept"]


def install(wanted: Filter) -> None:
    """Put the filter in place, replacing the port's earlier one. Raises RuntimeError."""
    _nft(render(wanted))


def remove(port: str) -> None:
    """Take the port's filter away, if it has one. Raises RuntimeError."""
    table = f"netdev softnet-{port}"
    _nft(f"add table {table}\ndelete table {table}\n")


def _nft(script: str) -> None:
    run = subprocess.run(
        [NFT, "-f", "-"], input=script, text=True, capture_output=True, check=False
    )
    if run.returncode != 0:
        raise RuntimeError(f"nft: {run.stderr.strip()}")
