"""Secrets: where they are kept, and how they are read without being seen."""

from clawkeep.secrets.secret import Secret

__all__ = ["Secret"]
