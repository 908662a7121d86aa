"""The namespace's packet filter and connection table: nft and conntrack are run here only."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
from dataclasses import dataclass

from .compile import program
from .compile.program import TABLE
from .compile.states import serials
from .environment import Environment
from .kernel import Kernel

_FOLDERS = ("/System/Lab/linux/sbin", "/System/Lab/linux/bin", "/usr/sbin", "/sbin", "/usr/bin")


class RefusedError(Exception):
    """nftables did not take the rules; what it said is the message."""


@dataclass
class State:
    """One connection that pf has a state for, as conntrack shows it. Ports are 0 without ports."""

    proto: str
    detail: str
    source: str
    source_port: int
    target: str
    target_port: int
    reply_source: str
    reply_source_port: int
    reply_target: str
    reply_target_port: int
    mark: int


def _run(name: str, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    path = next((f"{one}/{name}" for one in _FOLDERS if os.path.exists(f"{one}/{name}")), name)
    return subprocess.run(
        [path, *arguments], input=text, capture_output=True, text=True, check=False
    )


def enforce(kernel: Kernel, environment: Environment) -> None:
    """Make the namespace do what `kernel` says; on RefusedError nothing has changed."""
    read_counters(kernel)
    run = _run("nft", "-f", "-", text=program(kernel, environment))
    if run.returncode != 0:
        raise RefusedError(run.stderr.strip())
    if kernel.enabled:
        # Refusals that the kernel makes up carry the mark of what they answer, and pf lets its
        # own packets pass.
        for version in ("ipv4", "ipv6"):
            _set_sysctl(f"/proc/sys/net/{version}/fwmark_reflect")


def _set_sysctl(path: str) -> None:
    with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as file:
        file.write("1")


def read_counters(kernel: Kernel) -> None:
    """Bring the counters of the rules in `kernel` up to date."""
    if not kernel.enabled:
        return
    run = _run("nft", "-j", "list", "counters", "table", *TABLE.split())
    if run.returncode != 0:
        return
    for item in json.loads(run.stdout)["nftables"]:
        counter = item.get("counter")
        if not counter:
            continue
        kind, serial = counter["name"][0], counter["name"][1:]
        evaluations, packets, size = kernel.counters.get(serial, [0, 0, 0])
        if kind == "e":
            evaluations = counter["packets"]
        else:
            packets, size = counter["packets"], counter["bytes"]
        kernel.counters[serial] = [evaluations, packets, size]


def states() -> list[State]:
    """List the connections that pf has a state for."""
    found: list[State] = []
    for line in _run("conntrack", "-L", "-o", "extended").stdout.splitlines():
        state = _state(line.split())
        if state is not None and serials(state.mark):
            found.append(state)
    return found


def _state(words: list[str]) -> State | None:
    pairs: dict[str, list[str]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals:
            pairs.setdefault(key, []).append(value)
    if len(pairs.get("src", [])) < 2 or len(words) < 6:
        return None
    ports = {key: [int(v) for v in pairs.get(key, [])] or [0, 0] for key in ("sport", "dport")}
    if "id" in pairs:
        ports = {"sport": [int(pairs["id"][0])] * 2, "dport": [int(pairs["id"][0])] * 2}
    detail = words[5] if "=" not in words[5] else ""
    if not detail:
        detail = "NO_TRAFFIC:SINGLE" if "[UNREPLIED]" in words else "MULTIPLE:MULTIPLE"
    return State(
        words[2],
        detail,
        pairs["src"][0],
        ports["sport"][0],
        pairs["dst"][0],
        ports["dport"][0],
        pairs["src"][1],
        ports["sport"][-1],
        pairs["dst"][1],
        ports["dport"][-1],
        int(pairs.get("mark", ["0"])[0]),
    )


def kill(source: str | None = None, target: str | None = None) -> int:
    """Forget the states from `source` to `target` (networks; None is any). Returns how many."""
    doomed = [
        one for one in states() if _within(one.source, source) and _within(one.target, target)
    ]
    count = sum(len(serials(one.mark)) for one in doomed)
    if source is None and target is None:
        _run("conntrack", "-F")
        return count
    # One call for each family: a program per state takes minutes on a busy machine.
    for family in sorted({"ipv6" if ":" in one.source else "ipv4" for one in doomed}):
        arguments = ["-D", "-f", family]
        for option, network in (("-s", source), ("-d", target)):
            if network is not None and not network.endswith("/0"):
                arguments += [option, network]
        _run("conntrack", *arguments)
    return count


def _within(address: str, network: str | None) -> bool:
    if network is None:
        return True
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
