"""A way in for messages, and how the log tells its state. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # The host, which judges channels too, has no need of settings.
    from clawkeep.nanoclaw.env import Key


@dataclass(frozen=True, slots=True)
class Channel:
    """A way in for messages, with the lines (regular expressions) by which the log tells its state.

    `connected` is "" where the log says nothing. `holds`: it holds a connection to its service all
    the time; most say nothing when they lose it. A channel that is not `built_in` comes with a
    skill of its name, and so do its `keys`.
    """

    name: str
    connected: str = ""
    lost: str = ""
    built_in: bool = False
    holds: bool = False
    keys: tuple[Key, ...] = ()
