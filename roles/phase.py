"""Which phases a run was asked for, with an error as pyinfra's users know them."""

from __future__ import annotations

from pyinfra.api.exceptions import PyinfraError

from clawkeep import phases


def chosen(text: object) -> frozenset[str]:
    """Return the phases named by `--data phase=…`; all of them for None.

    Raises PyinfraError, which pyinfra shows as one line, when one of them does not exist.
    """
    try:
        return phases.chosen(text)
    except phases.UnknownPhaseError as error:
        raise PyinfraError(str(error)) from error
