"""`host.pf_anchor`: what pf itself says of one anchor, by `pfctl`; root only.

pfctl prints rules in its own spelling, one a line. It exits 0 for an anchor that nobody has made.
Source: reference/macos.md §1.
"""

from __future__ import annotations

from testinfra.modules.base import Module


class PfAnchor(Module):
    """An anchor.

    >>> host.pf_anchor("com.apple/000.clawkeep").rules[0]
    'pass out quick on bridge100 …'
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__()

    @classmethod
    def is_enabled(cls) -> bool:
        """Tell whether pf looks at packets at all."""
        return "Status: Enabled" in cls.check_output("/sbin/pfctl -s info")

    @classmethod
    def main(cls) -> tuple[str, ...]:
        """Return the main ruleset, which says what anchors are evaluated."""
        return _lines(cls.check_output("/sbin/pfctl -sr"))

    @property
    def rules(self) -> tuple[str, ...]:
        """Return its filter rules, in order."""
        return _lines(self.check_output("/sbin/pfctl -a %s -sr", self.name))

    @property
    def translations(self) -> tuple[str, ...]:
        """Return its nat, rdr and binat rules."""
        return _lines(self.check_output("/sbin/pfctl -a %s -sn", self.name))

    @property
    def is_evaluated(self) -> bool:
        """Tell whether pf is on and its main ruleset has a line for the anchor, or its parent's.

        A line for `com.apple.internet-sharing` is none for `com.apple/*`: the slash counts.
        """
        parent = self.name.rpartition("/")[0]
        heads = (f'anchor "{self.name}"', *((f'anchor "{parent}/*"',) if parent else ()))
        return self.is_enabled() and any(line.startswith(heads) for line in self.main())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
