"""What pf says of itself, and how that differs from what must be in force.

Read on the host by the guard and over SSH by the operator's side, which believes pfctl and not the
guard. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from clawkeep.render.anchor import ANCHOR, WALL, printed

MAIN = 'anchor "com.apple/*"'
"""How the line of the main ruleset begins without which no anchor of ours is evaluated.

With the slash, and the quote right after `anchor`: `com.apple.internet-sharing` is another anchor,
and `scrub-anchor` is no filter. Source: reference/macos.md §1.3.
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """pf at one moment: whether it is enabled, and its rules as `pfctl -sr` prints them.

    `before` are the other anchors that pf evaluates before ours, with their rules. `nat` are the
    translation rules by anchor ("" is the main ruleset), as `pfctl -s nat` prints them: of all
    anchors that translate anything, since pf translates before it filters. `skipped` are the
    interfaces that pf does not look at (`set skip`).
    """

    enabled: bool = False
    main: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    wall: tuple[str, ...] = ()
    before: tuple[tuple[str, tuple[str, ...]], ...] = ()
    nat: tuple[tuple[str, tuple[str, ...]], ...] = ()
    skipped: tuple[str, ...] = ()

    @classmethod
    def of(cls, info: str, main: str, doors: str, wall: str) -> Seen:
        """Read what `pfctl -s info`, `-sr`, and `-sr` of both anchors print."""
        return cls(
            "Status: Enabled" in info,
            printed_lines(main),
            printed_lines(doors),
            printed_lines(wall),
        )

    def translating(self, nat: Mapping[str, str], interfaces: str) -> Seen:
        """Return it with what `pfctl -s nat` (by anchor) and `pfctl -v -s Interfaces` print."""
        lines = {path: printed_lines(text) for path, text in nat.items()}
        found = tuple((path, rules) for path, rules in sorted(lines.items()) if rules)
        return replace(self, nat=found, skipped=skipped_interfaces(interfaces))

    @property
    def referenced(self) -> bool:
        """Whether the main ruleset evaluates the children of com.apple."""
        return any(line.startswith(MAIN) for line in self.main)

    @property
    def until_ours(self) -> tuple[str, ...]:
        """The main ruleset up to where it comes to our anchors."""
        for number, line in enumerate(self.main):
            if line.startswith(MAIN):
                return self.main[: number + 1]
        return self.main

    @property
    def earlier(self) -> tuple[str, ...]:
        """The anchors that the main ruleset names before it comes to ours."""
        return tuple(
            line.split('"')[1] if '"' in line else line.split()[1]
            for line in self.until_ours
            if line.startswith("anchor ") and not line.startswith(MAIN)
        )

    def lacks(self, doors: str, wall: str) -> tuple[str, ...]:
        """Say what is missing for exactly the anchors `doors` and `wall` to be in force."""
        lacking = []
        if not self.enabled:
            lacking.append("pf is disabled")
        if not self.referenced:
            lacking.append(f"the main ruleset has lost {MAIN}")
        for anchor, found, wanted in ((ANCHOR, self.doors, doors), (WALL, self.wall, wall)):
            if found != printed(wanted):
                lacking.append(difference(anchor, found, printed(wanted)))
            elif own := dict(self.nat).get(anchor):
                lacking.append(f"{anchor} translates, such as: {own[0]}")
        return tuple(lacking)


def printed_lines(text: str) -> tuple[str, ...]:
    """Return the rules in what pfctl printed, one a line."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def skipped_interfaces(text: str) -> tuple[str, ...]:
    """Return the interfaces that pf skips, in what `pfctl -v -s Interfaces` prints.

    lo0 is often one: macOS itself skips it. Source: pfctl(8); outputs that users published.
    """
    lines = (line.split() for line in text.splitlines())
    return tuple(words[0] for words in lines if words[1:] == ["(skip)"])


def difference(anchor: str, found: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    """Say in one sentence how the rules of an anchor differ from the wanted ones."""
    if not found:
        return f"{anchor} is empty"
    more, less = set(found) - set(wanted), set(wanted) - set(found)
    if not more and not less:
        return f"{anchor} has its rules in another order"
    words = [f"{len(more)} more" if more else "", f"{len(less)} missing" if less else ""]
    example = sorted(more or less)[0]
    return f"{anchor} differs ({', '.join(w for w in words if w)}), such as: {example}"
