"""The `halt` command."""

from .shutdown import halt as main

__all__ = ["main"]
