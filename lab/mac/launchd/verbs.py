"""What launchctl's verbs share: refusals, and the property lists that a path stands for."""

import os
import sys
from collections.abc import Iterator


class RefusedError(Exception):
    """launchctl's words on stderr, and the exit status."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


def complain(words: str, code: int) -> int:
    """Print on stderr; return the exit status."""
    if words:
        print(words, file=sys.stderr)
    return code


def plists(paths: list[str]) -> Iterator[str]:
    """Yield absolute paths; a folder stands for the property lists in it."""
    for path in paths:
        whole = os.path.abspath(path)
        if not os.path.isdir(whole):
            yield whole
            continue
        for name in sorted(os.listdir(whole)):
            if name.endswith(".plist"):
                yield os.path.join(whole, name)
