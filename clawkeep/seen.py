"""What pf says of itself, and how that differs from what must be in force.

Read on the host by the guard and over SSH by the operator's side, which believes pfctl and not the
guard. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from clawkeep.render.anchor import ANCHOR, WALL, printed

MAIN = 'anchor "com.apple/*"'
"""How the line of the main ruleset begins without which no anchor of ours is evaluated.

With the slash, and the quote right after `anchor`: `com.apple.internet-sharing` is another anchor,
and `scrub-anchor` is no filter. Source: reference/macos.md §1.3.
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """pf at one moment: whether it is enabled, and its rules as `pfctl -sr` prints them.

    `before` are the other anchors that pf evaluates before ours, with their rules.
    """

    enabled: bool = False
    main: tuple[str, ...] = ()
    doors: tuple[str, ...] = ()
    wall: tuple[str, ...] = ()
    before: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(cls, info: str, main: str, doors: str, wall: str) -> Seen:
        """Read what `pfctl -s info`, `-sr`, and `-sr` of both anchors print."""
        return cls(
            "Status: Enabled" in info,
            printed_lines(main),
            printed_lines(doors),
            printed_lines(wall),
        )

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
        return tuple(lacking)


def printed_lines(text: str) -> tuple[str, ...]:
    """Return the rules in what pfctl printed, one a line."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


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
