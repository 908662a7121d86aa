"""The phases of a converge, in their order."""

from __future__ import annotations

import difflib

PHASES = ("base", "network", "agent", "skills", "operations")


class UnknownPhaseError(ValueError):
    """A phase that does not exist was asked for."""


def chosen(text: object) -> frozenset[str]:
    """Return the phases named in `text`, such as `base,network`; all of them for None.

    Raises UnknownPhaseError, which lists the known phases.
    """
    if text is None:
        return frozenset(PHASES)
    names = [name.strip() for name in str(text).split(",") if name.strip()]
    unknown = [name for name in names if name not in PHASES]
    if unknown or not names:
        near = difflib.get_close_matches(unknown[0], PHASES, 1) if unknown else []
        raise UnknownPhaseError(
            f"phase={text}: unknown phase {', '.join(unknown) or '(none)'}; "
            f"known phases: {', '.join(PHASES)}" + (f" - did you mean {near[0]}?" if near else "")
        )
    return frozenset(names)
