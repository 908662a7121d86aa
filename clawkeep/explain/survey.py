"""Reads on the host, in one round trip, all that decides about the guest's packets right now."""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address
from pathlib import PurePosixPath

from clawkeep import ifconfig, tart
from clawkeep.link import Link
from clawkeep.onhost import clock, paths
from clawkeep.render.anchor import BRIDGES
from clawkeep.transport import HostSession

PFCTL = "/sbin/pfctl"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Survey:
    """What the host said. A text is None when it could not be read; `tables` are (anchor, name).

    `now` is the host's clock in Unix seconds, which as for grants never runs backwards; `cut` what
    the guard noted when it cut the guest off.
    """

    now: float | None = None
    policy: str | None = None
    grants: str | None = None
    window: str | None = None
    cut: str | None = None
    pf_info: str | None = None
    main: str | None = None
    anchors: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[tuple[str, str], str] = field(default_factory=dict)
    interfaces: str = ""
    processes: str | None = None
    listening: str | None = None
    running: bool | None = None
    address: str | None = None

    def link(self) -> Link:
        """Return the running guest's link. Raises ifconfig.LinkError with the reason."""
        if not self.running:
            raise ifconfig.LinkError(
                "the guest is not running" if self.running is False else "tart did not answer"
            )
        if self.address is None:
            raise ifconfig.LinkError("nobody knows the guest's address yet")
        return ifconfig.link(self.interfaces, self.address)

    def run_argv(self, guest: str) -> tuple[str, ...] | None:
        """Return the arguments of the `tart run` that holds `guest`, None when none is seen."""
        for line in (self.processes or "").splitlines():
            words = line.split()
            starts = [
                number
                for number, word in enumerate(words[:-1])
                if PurePosixPath(word).name == "tart" and words[number + 1] == "run"
            ]
            # The supervisor's own command line ends in the same words.
            if starts and words[-1] == guest and "supervise" not in words[: starts[0]]:
                return tuple(words[starts[0] :])
        return None

    def host_addresses(self) -> tuple[IPv4Address, ...]:
        """Return the host's own IPv4 addresses that belong to no guest's bridge."""
        found = []
        interface = ""
        for line in self.interfaces.splitlines():
            if line and not line[0].isspace():
                interface = line.split(":", 1)[0]
            words = line.split()
            if words[:1] == ["inet"] and len(words) > 1 and interface not in BRIDGES:
                address = _address(words[1])
                if address is not None and not address.is_loopback:
                    found.append(address)
        return tuple(dict.fromkeys(found))

    def listeners(self, gateway: IPv4Address) -> dict[int, str] | None:
        """Return the TCP ports on which the gateway answers, with the program."""
        if self.listening is None:
            return None
        found = {}
        for line in self.listening.splitlines()[1:]:
            words = line.split()
            names = [word for word in words if ":" in word and word.rpartition(":")[2].isdecimal()]
            if names:
                host, _, port = names[-1].rpartition(":")
                if host in {"*", "0.0.0.0", str(gateway)}:  # noqa: S104 (compared, not bound)
                    found[int(port)] = words[0]
        return found


def _address(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except AddressValueError:
        return None


def script(guest: str, mark: str) -> str:
    """Return the script: what the SSH user may ask, then what only root may.

    `mark` begins each section; it must be nothing that a program could print.
    """

    def section(name: str, command: str) -> str:
        return f"echo '{mark} {name}'; {command}\n"

    # Tables only where a rule names one: each question costs a process on the host.
    anchors = (
        f'{PFCTL} -v -s Anchors | while read -r a; do r=$({PFCTL} -a "$a" -sr); '
        f"printf '%s\\n%s\\n' \"{mark} anchor $a\" \"$r\"; case $r in *'<'*) "
        f'{PFCTL} -a "$a" -s Tables | while read -r t; do '
        f'echo "{mark} table $a $t"; {PFCTL} -a "$a" -t "$t" -T show; done;; esac; done'
    )
    files = {
        "policy": paths.POLICY,
        "grants": paths.GRANTS,
        "window": paths.WINDOW,
        "cut": paths.CUT,
        "clock": clock.LATEST,
    }
    root = "".join(
        (
            *(section(name, f"cat {path}") for name, path in files.items()),
            section("pf-info", f"{PFCTL} -s info"),
            section("main", f"{PFCTL} -sr"),
            f"{anchors}\n",
            section("listening", "lsof -nP -iTCP -sTCP:LISTEN"),
            section("end", "true"),
        )
    )
    return (
        section("now", "date +%s")
        + section("list", f"{shlex.join(tart.list_local())} 2>/dev/null")
        + section("address", tart.address(guest))
        + section("interfaces", "ifconfig")
        + section("processes", "ps -axww -o args=")
        + f"sudo -n sh -c {shlex.quote(root)} 2>/dev/null\n"
    )


def survey(session: HostSession, guest: str) -> Survey:
    """Ask the host. Raises TransportError when it does not answer, tart.TartError."""
    mark = f"@@{secrets.token_hex(8)}@@"
    return read(session.run(script(guest, mark), TIMEOUT_S), mark, guest)


def read(text: str, mark: str, guest: str) -> Survey:
    """Read what `script` printed. Raises tart.TartError."""
    parts = dict(_sections(text, mark))
    root, info = "end" in parts, parts.get("pf-info", "")
    listing = parts.get("list", "").strip()
    vms = {vm.name: vm.running for vm in tart.parse_list(listing)} if listing else None
    address = parts.get("address", "").split()
    return Survey(
        now=_now(parts),
        policy=parts.get("policy") or None,
        grants=parts.get("grants") or None,
        window=parts.get("window") or None,
        cut=parts.get("cut") or None,
        pf_info=info if root and "Status:" in info else None,
        main=parts.get("main") if root else None,
        anchors={n.partition(" ")[2]: t for n, t in parts.items() if n.startswith("anchor ")},
        tables={_table(n): t for n, t in parts.items() if n.startswith("table ")},
        interfaces=parts.get("interfaces", ""),
        processes=parts.get("processes") or None,
        listening=parts.get("listening") if root else None,
        running=None if vms is None else vms.get(guest, False),
        address=address[0] if len(address) == 2 else None,
    )


def _now(parts: Mapping[str, str]) -> float | None:
    """Return the wall clock, or the latest time on record when that is later."""
    now = parts.get("now", "").strip()
    if not now.isdecimal():
        return None
    latest = field_of(parts.get("clock"), "t")
    return max(float(now), float(latest) if isinstance(latest, int | float) else 0.0)


def field_of(text: str | None, name: str) -> object:
    """Return one value of a small JSON object, None when there is none or no such object."""
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return None
    return values.get(name) if isinstance(values, dict) else None


def _table(section: str) -> tuple[str, str]:
    anchor, _, name = section.removeprefix("table ").rpartition(" ")
    return anchor, name


def _sections(text: str, mark: str) -> Iterator[tuple[str, str]]:
    for part in text.split(f"{mark} ")[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), body
