"""`host.formula`: Homebrew by its receipts. `brew` starts Ruby, refuses root, and may update.

Upstream's `package` runs `brew list` per formula, and takes another package manager first where
one is on the PATH.
"""

from __future__ import annotations

import functools
import json
import re
import shlex
from typing import Any

from testinfra.modules.base import Module

PREFIX = "/opt/homebrew"


class Formula(Module):
    """An installed formula.

    >>> host.formula("jq").version
    '1.8.1'
    """

    def __init__(self, name: str) -> None:
        self.name = name.rsplit("/", 1)[-1]
        super().__init__()

    @classmethod
    def installed(cls) -> dict[str, list[str]]:
        """Return all formulas with their versions: the kegs that have a receipt."""
        text = cls.run(f"ls -d {PREFIX}/Cellar/*/*/INSTALL_RECEIPT.json").stdout
        found: dict[str, list[str]] = {}
        for line in text.splitlines():
            name, version = line.split("/")[-3:-1]
            found.setdefault(name, []).append(version)
        return found

    @property
    def is_installed(self) -> bool:
        """Tell whether it has a keg with a receipt."""
        return self.name in self.installed()

    @functools.cached_property
    def _linked(self) -> str:
        return str(self.run("readlink %s", f"{PREFIX}/opt/{self.name}").stdout).strip()

    @property
    def version(self) -> str | None:
        """Return the version that `opt` leads to, which is what runs; None when it leads astray."""
        found = re.fullmatch(rf"\.\./Cellar/{re.escape(self.name)}/([^/]+)", self._linked)
        return found[1] if found else None

    @property
    def tap(self) -> str | None:
        """Return where it came from, such as homebrew/core; None when its receipt does not say."""
        keg = shlex.quote(f"{PREFIX}/opt/{self.name}/INSTALL_RECEIPT.json")
        try:
            receipt: Any = json.loads(self.run(f"cat {keg}").stdout)
            return str(receipt["source"]["tap"])
        except (ValueError, KeyError, TypeError):
            return None
