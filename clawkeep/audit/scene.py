"""Who and where: what the expectation needs to know of the machines before it can be written down.

Only what is nobody's choice: the Mac's user, and the live link of the guest. All by the machine's
own words; what Clawkeep has noted of it on the host is not read.
"""

from __future__ import annotations

from dataclasses import dataclass

from clawkeep import ifconfig, state, tart
from clawkeep.batch import answers, mark, script
from clawkeep.link import Link
from clawkeep.model import Keep
from clawkeep.survey import ETC
from clawkeep.target import Target
from clawkeep.transport import HostSession, TransportError

TIMEOUT_S = 20


@dataclass(frozen=True)
class Scene:
    """One keep at one moment.

    Attributes:
        host: the host's name on the operator's side.
        owner, uid, home: the Mac's user as whom tart runs.
        link: bridge, gateway and guest; None while no guest runs.
        why_no_link: says why, in words.
        pins: the services' SSH host keys as they were first seen: nobody declares them.
        policy: policy.json; only the registries that the host's own tools named are taken from it.
    """

    host: str
    owner: str
    uid: int
    home: str
    link: Link | None = None
    why_no_link: str = ""
    guest_address: str = ""
    pins: str = ""
    policy: str = ""

    @property
    def gateway(self) -> str:
        """The gateway's address, "" while no guest runs."""
        return str(self.link.gateway) if self.link else ""


def look(session: HostSession, keep: Keep, target: Target) -> Scene:
    """Ask the host, in one round trip. Raises TransportError."""
    name, own = keep.guest.name, mark()
    questions = {
        "identity": 'id -un; id -u; echo "$HOME"',
        "vms": " ".join(tart.list_local()),
        "address": tart.address(name),
        "interfaces": "ifconfig",
        "pins": f"cat {ETC}/hostkeys",
        "policy": f"cat {ETC}/policy.json",
    }
    found = answers(session.run(script(questions, own), TIMEOUT_S), own)
    words = found.get("identity", ("", 1))[0].splitlines()
    if len(words) < 3 or not words[1].isdigit():
        raise TransportError(f"{target.name}: no answer to `id`: cannot tell who runs there")
    texts = {key: text for key, (text, _) in found.items()}
    link, address, why = _link(name, texts)
    return Scene(
        target.name, words[0], int(words[1]), words[2], link, why, address,
        texts.get("pins", ""), texts.get("policy", ""),
    )  # fmt: skip


def _link(guest: str, found: dict[str, str]) -> tuple[Link | None, str, str]:
    try:
        vms = tart.parse_list(found.get("vms", "").strip() or "null")
    except tart.TartError as error:
        return None, "", str(error)
    state_of = {vm.name: vm.state for vm in vms}
    if state_of.get(guest) != "running":
        return None, "", f"{guest} is {state_of.get(guest, 'absent')}"
    words = found.get("address", "").split()
    if len(words) != 2:
        return None, "", f"tart knows no address of {guest}"
    try:
        return ifconfig.link(found.get("interfaces", ""), words[0]), words[0], ""
    except ifconfig.LinkError as error:
        return None, "", str(error)


def pinned(host: str, guest: str) -> str | None:
    """Return the guest's host key as it is pinned on the operator's side, `type key`, or None."""
    pin = state.folder(host, guest) / "known_hosts"
    for line in pin.read_text().splitlines() if pin.exists() else ():
        words = line.split()
        if len(words) >= 3 and not words[0].startswith("#"):
            return f"{words[1]} {words[2]}"
    return None
