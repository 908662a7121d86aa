"""Phase 4: the keep runs itself, and says when it does not."""

from __future__ import annotations

from clawkeep.model import Keep
from roles.operations import alerts, logs
from roles.probe import section


def look_after(keep: Keep) -> None:
    """Have the logs kept, and the operator told of what is wrong, as declared."""
    section("operations")
    logs.kept(name="Host | logs are kept in one place")
    if keep.alerts:
        alerts.somebody_told(keep)
    else:
        alerts.nobody_told(name="Host | nobody is told of what is wrong")
