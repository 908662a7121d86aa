"""Every check of the declared keep, as a test of its own."""

from __future__ import annotations

import pytest

from clawkeep.audit.check import Check, State
from clawkeep.audit.run import Audit


def test_as_declared(audit: Audit, check: Check) -> None:
    (outcome,) = audit.outcomes([check])
    said = f"expected {check.says}; found {outcome.found}"
    if outcome.state is State.UNKNOWN:
        pytest.fail(f"cannot tell: {said}", pytrace=False)
    if outcome.state is State.ACCEPTED:
        pytest.skip(f"{said}; accepted {outcome.why}")
    if outcome.state is State.FAILED:
        pytest.fail(said, pytrace=False)
