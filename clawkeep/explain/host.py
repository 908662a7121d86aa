"""The host as it is: in one round trip, all that decides about the guest's packets right now.

To what `clawkeep.survey` reads come every other anchor of pf, Softnet's flags, and who listens.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import PurePosixPath

from clawkeep import ifconfig, survey, tart
from clawkeep.link import Link
from clawkeep.survey import MARK, Survey
from clawkeep.transport import HostSession

PFCTL = "/sbin/pfctl"
TIMEOUT_S = 60

# Tables only where a rule names one: each question costs a process on the host.
ANCHORS = (
    f'{PFCTL} -v -s Anchors | while read -r a; do r=$({PFCTL} -a "$a" -sr); '
    f"printf '%s\\n%s\\n' \"{MARK} anchor $a\" \"$r\"; case $r in *'<'*) "
    f'{PFCTL} -a "$a" -s Tables | while read -r t; do '
    f'echo "{MARK} table $a $t"; {PFCTL} -a "$a" -t "$t" -T show; done;; esac; done\n'
)

ROOT = "".join(
    (
        survey.SCRIPT,
        ANCHORS,
        survey.part("listening", "lsof -nP -iTCP -sTCP:LISTEN"),
        survey.part("end", "true"),
    )
)
"""What only root may ask; without `end` its answer was cut short, and none of it counts."""


@dataclass(frozen=True)
class Host:
    """What the host said. A text is None when it could not be read.

    `survey` was not asked when root could not be. `anchors` are all that pf has, with their rules;
    `tables` are by anchor and name.
    """

    survey: Survey = field(default_factory=Survey)
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


def script(guest: str) -> str:
    """Return the script: what the SSH user may ask, then what only root may."""
    return (
        survey.part("list", shlex.join(tart.list_local()))
        + survey.part("address", tart.address(guest))
        + survey.part("ifconfig", "ifconfig")
        + survey.part("processes", "ps -axww -o args=")
        + f"sudo -n sh -c {shlex.quote(ROOT)} 2>/dev/null\n"
    )


def ask(session: HostSession, guest: str) -> Host:
    """Ask the host. Raises TransportError when it does not answer, tart.TartError."""
    return read(session.run(script(guest), TIMEOUT_S), guest)


def read(text: str, guest: str) -> Host:
    """Read what `script` printed. Raises tart.TartError."""
    parts = survey.split(text)
    root = parts if "end" in parts else {}
    listing = parts.get("list", "").strip()
    vms = {vm.name: vm.running for vm in tart.parse_list(listing)} if listing else None
    address = parts.get("address", "").split()
    return Host(
        survey=Survey({name: root[name] for name in survey.PARTS if name in root}),
        anchors={n.partition(" ")[2]: t for n, t in root.items() if n.startswith("anchor ")},
        tables={_table(n): t for n, t in root.items() if n.startswith("table ")},
        interfaces=parts.get("ifconfig", ""),
        processes=parts.get("processes") or None,
        listening=root.get("listening"),
        running=None if vms is None else vms.get(guest, False),
        address=address[0] if len(address) == 2 else None,
    )


def _table(part: str) -> tuple[str, str]:
    anchor, _, name = part.removeprefix("table ").rpartition(" ")
    return anchor, name
