"""Homebrew's own way of speaking: `==>` headings, `Warning:` and `Error:` lines.

Source: Homebrew/brew Library/Homebrew/utils/output.rb (6.0.18).
"""

import sys
from collections.abc import Iterable


class BrewError(Exception):
    """A failure that ends the command: printed as `Error: …`, exit status 1."""


class UsageError(BrewError):
    """A misuse of the command line; Homebrew prefixes these with `Invalid usage: `."""

    def __init__(self, message: str) -> None:
        super().__init__(f"Invalid usage: {message}")


def say(*lines: str) -> None:
    """Print lines on stdout, where scripts read them."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def tell(*lines: str) -> None:
    """Print lines on stderr, where people read them."""
    sys.stdout.flush()
    for line in lines:
        sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def heading(title: str) -> str:
    """Make a `==>` line."""
    return f"==> {title}"


def warn(message: str) -> None:
    """`Warning: …` on stderr; never changes the exit status by itself."""
    tell(f"Warning: {message}")


def error(message: str) -> None:
    """`Error: …` on stderr; the caller decides about the exit status."""
    tell(f"Error: {message}")


def sentence(names: Iterable[str]) -> str:
    """Join names as Homebrew does: `a`, `a and b`, `a, b and c`."""
    words = list(names)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
