"""The `reboot` command."""

from .shutdown import reboot as main

__all__ = ["main"]
