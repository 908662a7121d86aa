"""From references to the secrets they name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from clawkeep.secrets import keychain
from clawkeep.secrets.error import SecretError
from clawkeep.secrets.process import no_core_dumps
from clawkeep.secrets.reference import Reference
from clawkeep.secrets.sealing import key_ring
from clawkeep.secrets.secret import Secret
from clawkeep.secrets.store import Store
from clawkeep.secrets.vaultwarden import Vault


def resolve(
    references: Mapping[str, Reference],
    folder: Path,
    warn: Callable[[str], None],
    environment: Mapping[str, str] = os.environ,
) -> dict[str, Secret]:
    """Return the secrets by the names that their references have.

    `folder` is the project's, with its secrets.sealed. `warn` is told what the operator should
    know although it worked. From here on this process leaves no core dump. Raises SecretError
    with everything that could not be had, a line each.
    """
    if not references:
        return {}
    no_core_dumps()
    vault = Vault(warn, environment)
    found: dict[str, Secret] = {}
    problems: list[str] = []
    for name, reference in references.items():
        try:
            found[name] = _one(reference, vault, folder, environment)
        except SecretError as error:
            problems.append(f"{name} ({reference}): {error}")
    if problems:
        raise SecretError("\n".join(problems))
    return found


def _one(
    reference: Reference, vault: Vault, folder: Path, environment: Mapping[str, str]
) -> Secret:
    match reference.scheme:
        case "vaultwarden":
            return vault.field(reference.name, reference.part)
        case "keychain":
            return keychain.password(reference.name, reference.part)
        case "sealed":
            return Store(folder, key_ring(environment)).get(reference.name)
        case "env":
            return _variable(reference.name, environment)


def _variable(name: str, environment: Mapping[str, str]) -> Secret:
    value = environment.get(name)
    if not value:
        raise SecretError(f"the variable is {'not set' if value is None else 'empty'}; set it")
    return Secret(value)
