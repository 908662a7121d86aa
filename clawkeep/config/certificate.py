"""The private CA that a service may name."""

from __future__ import annotations

from pathlib import Path

from clawkeep.config.problem import ConfigError
from clawkeep.config.source import read_bytes


def certificate_problem(path: Path) -> str | None:
    """Say what is wrong with a PEM file of certificates, or None when the guest may trust it."""
    try:
        content = read_bytes(path)
    except ConfigError as error:
        return f"{path.name} {error.problems[0].message}"
    if b"PRIVATE KEY-----" in content:
        return f"{path.name} holds a private key, which must not reach the guest; take it out"
    if b"-----BEGIN CERTIFICATE-----" not in content:
        return f"{path.name} holds no certificate in PEM form"
    return None
