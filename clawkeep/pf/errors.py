"""What a text that is not understood is answered with."""

from __future__ import annotations


class PfSyntaxError(ValueError):
    """The text is no rule set that pfctl takes, or holds something that is not judged here.

    `line` and `column` count from 1 and point at the word that is in the way; `reason` says what
    was expected instead.
    """

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(f"{line}:{column}: {reason}")
        self.line = line
        self.column = column
        self.reason = reason
