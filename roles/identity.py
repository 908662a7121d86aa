"""Who the SSH user of the host is: constants that plists and paths are made of."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pyinfra import host
from pyinfra.api import State
from pyinfra.api.exceptions import PyinfraError

from roles.probe import Answer, Probe, ask


@dataclass(frozen=True)
class Identity:
    """The user as whom Homebrew and `tart` run on the host."""

    user: str
    uid: int
    home: str


def _identity(answer: Answer) -> Identity:
    words = answer.text.splitlines()
    if len(words) != 3 or words[1] == "0":
        raise PyinfraError(
            f"{host.name}: connect as the Mac's own admin user, not as root: Homebrew and tart "
            "refuse root, and a VM needs that user's login keychain"
        )
    return Identity(words[0], int(words[1]), words[2])


IDENTITY = Probe("identity", 'id -un; id -u; echo "$HOME"', _identity)

_known: WeakKeyDictionary[State, dict[str, Identity]] = WeakKeyDictionary()


def identity() -> Identity:
    """Return the host's user. Asked once per run: the one fact that deploy code needs."""
    known = _known.setdefault(host.state, {})
    if host.name not in known:
        known[host.name] = ask(IDENTITY)
    return known[host.name]
