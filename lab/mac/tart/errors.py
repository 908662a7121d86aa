"""How tart fails: which text, which stream, which exit status.

Source: reference/tart.md §1.2 (VMStorageHelper.swift, Root.swift, ArgumentParser 1.6.1).
"""

from __future__ import annotations


class TartError(Exception):
    """A failure that tart words itself: the bare text on stderr."""

    status = 1


class VMDoesNotExistError(TartError):
    """No such VM. Exit 2, but in `run` it comes out of validation: `Error: …`, exit 1."""

    status = 2

    def __init__(self, name: str) -> None:
        super().__init__(f'the specified VM "{name}" does not exist')


class VMNotRunningError(TartError):
    """A VM that should run does not."""

    status = 2

    def __init__(self, name: str) -> None:
        super().__init__(f'VM "{name}" is not running')


class VMAlreadyRunningError(TartError):
    """`run` of a VM that runs."""

    status = 2


class VMIsRunningError(TartError):
    """A VM that must not run does."""

    def __init__(self, name: str) -> None:
        super().__init__(f'VM "{name}" is running')


class UsageError(Exception):
    """ArgumentParser's ValidationError: `Error: …` with the usage, exit 64."""


class OtherError(Exception):
    """Any other Swift error that reaches ArgumentParser: `Error: …`, exit 1."""


# What Foundation says of data that does not decode; its apostrophe is typographic.
INCOMPLETE_DATA = "The data couldn\u2019t be read because it is missing."
INVALID_DATA = "The data couldn\u2019t be read because it isn\u2019t in the correct format."
