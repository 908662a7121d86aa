"""Secrets: where they are kept, and how they are read without being seen.

A declaration names each by a reference; `resolve` brings what they name. Nothing here prints,
logs, caches on disk or passes a secret on a command line.
"""

from clawkeep.secrets.error import SecretError
from clawkeep.secrets.reference import BadReferenceError, Reference, parse
from clawkeep.secrets.resolvers import resolve
from clawkeep.secrets.secret import Secret

__all__ = ["BadReferenceError", "Reference", "Secret", "SecretError", "parse", "resolve"]
