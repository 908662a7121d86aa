"""What the operator's side reads on the host as root: what pf enforces, and what is on record.

The guard's word alone is not believed: the same renderer that the guard has runs here, over what
pfctl prints and what is on record there, and both must agree. Standard library only.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from clawkeep import expected
from clawkeep.link import Link
from clawkeep.policy import Openings, Policy, PolicyError, openings, parse_grants, parse_window
from clawkeep.render import anchor as render
from clawkeep.seen import Seen

T = TypeVar("T")

MARK = f"@@{secrets.token_hex(8)}@@"
"""Begins each part of an answer. Nothing on the host can know it, and so none can print it."""

NEVER = math.inf
"""A time after everything that ends: without a clock, nothing that ends is open."""

ETC, VAR, RUN = "/opt/clawkeep/etc", "/opt/clawkeep/var", "/var/run/clawkeep"

PARTS = {
    "info": "/sbin/pfctl -s info",
    "main": "/sbin/pfctl -sr",
    "doors": f"/sbin/pfctl -a {render.ANCHOR} -sr",
    "wall": f"/sbin/pfctl -a {render.WALL} -sr",
    "nat": "/sbin/pfctl -sn",
    "nat-anchors": "/sbin/pfctl -v -s Anchors | while read -r anchor; do "
    f'echo "{MARK}anchor $anchor"; /sbin/pfctl -a "$anchor" -sn; done',
    "skips": "/sbin/pfctl -v -s Interfaces",
    "rules": f"cat {ETC}/anchor.conf",
    "policy": f"cat {ETC}/policy.json",
    "grants": f"cat {VAR}/grants.json",
    "window": f"cat {RUN}/window.json",
    "cut": f"cat {VAR}/cut.json",
    "guard": f"cat {RUN}/guard.json",
    "enforced": f"cat {RUN}/enforced.json",
    "clock": f"cat {VAR}/clock.json",
    "events": f"tail -n 1 {VAR}/events.jsonl",
    "job": "launchctl print system/com.nanoclaw.guard | grep '^[[:space:]]*pid ='",
    "now": "date +%s",
}


def part(name: str, command: str) -> str:
    """Return the shell lines that print what `command` says, its errors dropped, as one part."""
    return f"echo '{MARK} {name}'; {{ {command}\n}} 2>/dev/null; echo\n"


SCRIPT = "".join(part(name, command) for name, command in PARTS.items()) + "true\n"
"""A POSIX shell script; root runs it, and it only reads."""


@dataclass(frozen=True)
class Survey:
    """What the host said. A file that is not there is ""; `asked` is False when nothing was."""

    parts: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> bool:
        """Whether the host answered everything, as root."""
        return self.parts.keys() == PARTS.keys() and "Status:" in self.parts["info"]

    @property
    def seen(self) -> Seen:
        """What pf said of itself."""
        seen = Seen.of(*(self.parts.get(name, "") for name in ("info", "main", "doors", "wall")))
        nat = {"": self.parts.get("nat", "")}
        below = re.split(rf"^{MARK}anchor ", self.parts.get("nat-anchors", ""), flags=re.MULTILINE)
        for each in below[1:]:
            path, _, rules = each.partition("\n")
            nat[path.strip()] = rules
        return seen.translating(nat, self.parts.get("skips", ""))

    @property
    def policy(self) -> str:
        """The text of policy.json."""
        return self._file("policy")

    @property
    def rules(self) -> str:
        """The text of the rules that were loaded last."""
        return self._file("rules")

    def values(self, name: str) -> dict[str, Any]:
        """Return a small JSON file (`cut`, `guard`, `enforced` …), {} when there is none."""
        try:
            values = json.loads(self.parts.get(name, "") or "{}")
        except ValueError:
            return {}
        return values if isinstance(values, dict) else {}

    @property
    def now(self) -> float:
        """The host's clock, which as for grants never runs backwards; `NEVER` when unread."""
        text = self.parts.get("now", "").strip()
        if not text.isdecimal():
            return NEVER
        latest = self.values("clock").get("t")
        if not isinstance(latest, int | float) or not math.isfinite(latest):
            latest = 0
        return max(float(text), float(latest))

    @property
    def cut_off(self) -> str | None:
        """A sentence with why the guard has cut the guest off; None when it has not."""
        if not self._file("cut"):
            return None
        why = self.values("cut").get("why", "no reason on record")
        return f"the guard has cut the guest off: {why}"

    def openings(self, policy: Policy) -> Openings:
        """Return what is open now by `policy` and what is on record. Damaged files open nothing."""
        damage: list[str] = []
        granted = self._record("grants", parse_grants, damage)
        window = self._record("window", parse_window, damage)
        return openings(policy, granted or (), window, now=self.now)

    @property
    def damage(self) -> tuple[str, ...]:
        """What is wrong with the grants and the window on record."""
        damage: list[str] = []
        self._record("grants", parse_grants, damage)
        self._record("window", parse_window, damage)
        return tuple(damage)

    def wrong(self, policy: Policy, link: Link | None) -> tuple[str, ...]:
        """Say what keeps exactly `policy` from being in force for the guest of `link`."""
        if self.cut_off is not None:
            return (self.cut_off,)
        words = [] if self.policy == policy.text() else ["policy.json is not as declared"]
        now_open = self.openings(policy)
        doors = render.deny_all() if link is None else render.anchor(now_open, link)
        seen = self.seen
        words += seen.lacks(doors, render.wall())
        return (*words, *([] if words else expected.differences(seen, now_open, link)))

    def _record(self, name: str, parse: Callable[[str], T], damage: list[str]) -> T | None:
        try:
            return parse(text) if (text := self._file(name)) else None
        except PolicyError as error:
            damage.append(str(error))
            return None

    def _file(self, name: str) -> str:
        text = self.parts.get(name, "").rstrip("\n")
        return f"{text}\n" if text else ""


def parse(text: str) -> Survey:
    """Read what the script printed."""
    return Survey(split(text))


def split(text: str) -> dict[str, str]:
    """Return the parts of an answer by name; a mark counts only as the beginning of a line."""
    _, *found = re.split(rf"^{MARK} ", text, flags=re.MULTILINE)
    halves = (each.partition("\n") for each in found)
    return {name.strip(): body for name, _, body in halves}
