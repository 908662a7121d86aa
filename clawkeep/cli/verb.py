"""The signature that every verb shares."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb: what it is for, its arguments, and what it does; `run` returns the exit status."""

    summary: str
    run: Callable[[argparse.Namespace], int]
    arguments: Callable[[argparse.ArgumentParser], None] = lambda _: None
    description: str = ""
    epilog: str = ""


def say(text: str) -> None:
    """Print data for the user: stdout."""
    print(text)


def explain(text: str) -> None:
    """Print prose for the user: stderr, so that stdout stays parseable."""
    sys.stderr.write(f"{text}\n")
