"""What goes wrong with backups, in sentences for the operator."""

from __future__ import annotations


class BackupError(Exception):
    """Something that a backup needs cannot be had or done; the text says what, and what to do."""


class DamageError(BackupError):
    """What lies in a repository is not what was written there."""


class MissingError(DamageError):
    """What should lie in a repository is not there."""


class HeldError(BackupError):
    """Somebody else writes to the repository at this moment; the text says who."""
