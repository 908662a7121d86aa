"""What the operator's side reads on the host to judge for itself what is in force.

The guard's word alone is not believed: the same renderer that the guard has runs here, over what
pfctl prints and what is on record there, and both must agree. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

from clawkeep import expected
from clawkeep.link import Link
from clawkeep.policy import (
    Door,
    Openings,
    Policy,
    PolicyError,
    Window,
    openings,
    parse_grants,
    parse_window,
)
from clawkeep.render import anchor as render
from clawkeep.seen import Seen

MARK = "@@clawkeep@@"

ETC, VAR, RUN = "/opt/clawkeep/etc", "/opt/clawkeep/var", "/var/run/clawkeep"

PARTS = {
    "info": "/sbin/pfctl -s info",
    "main": "/sbin/pfctl -sr",
    "doors": f"/sbin/pfctl -a {render.ANCHOR} -sr",
    "wall": f"/sbin/pfctl -a {render.WALL} -sr",
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

SCRIPT = "\n".join(f"echo '{MARK} {name}'; {{ {command}\n}} 2>/dev/null; echo"
                   for name, command in PARTS.items()) + "\ntrue\n"  # fmt: skip
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
        return Seen.of(*(self.parts.get(name, "") for name in ("info", "main", "doors", "wall")))

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
        """The host's clock, which never runs backwards."""
        text = self.parts.get("now", "").strip()
        latest = self.values("clock").get("t", 0)
        return max(float(text or 0), float(latest) if isinstance(latest, int | float) else 0.0)

    def openings(self, policy: Policy) -> Openings:
        """Return what is open now by `policy` and what is on record. Damaged files open nothing."""
        granted: tuple[Door, ...] = ()
        window: Window | None = None
        with contextlib.suppress(PolicyError):
            granted = parse_grants(self._file("grants")) if self._file("grants") else ()
        with contextlib.suppress(PolicyError):
            window = parse_window(self._file("window")) if self._file("window") else None
        return openings(policy, granted, window, now=self.now)

    def wrong(self, policy: Policy, link: Link | None) -> tuple[str, ...]:
        """Say what keeps exactly `policy` from being in force for the guest of `link`."""
        if cut := self.values("cut"):
            return (f"the guard has cut the guest off: {cut.get('why', 'no reason on record')}",)
        words = [] if self.policy == policy.text() else ["policy.json is not as declared"]
        now_open = self.openings(policy)
        doors = render.deny_all() if link is None else render.anchor(now_open, link)
        seen = self.seen
        words += seen.lacks(doors, render.wall())
        return (*words, *([] if words else expected.differences(seen, now_open, link)))

    def _file(self, name: str) -> str:
        text = self.parts.get(name, "").rstrip("\n")
        return f"{text}\n" if text else ""


def parse(text: str) -> Survey:
    """Read what the script printed."""
    parts = {}
    for part in text.split(f"{MARK} ")[1:]:
        name, _, body = part.partition("\n")
        parts[name.strip()] = body
    return Survey(parts)
