"""What goes wrong with secrets, said without them."""

from __future__ import annotations


class SecretError(Exception):
    """A secret that cannot be had or put away. The message names it and never shows it."""
