"""What goes wrong with snapshots, in sentences for the operator."""

from __future__ import annotations


class SnapshotError(Exception):
    """Something that was asked for was not done; the text says what is so now, and what to do."""


class PostponedError(SnapshotError):
    """It cannot be done at this moment, and that says nothing about any snapshot."""
