"""The formulae this lab knows, and the rules by which a name finds one.

Source: reference/macos.md §0, §7; Homebrew/brew Library/Homebrew/formulary.rb, exceptions.rb.
"""

import difflib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import bottle

CORE = "homebrew/core"
DATA = Path(__file__).with_name("formulas.json")
NEWER = Path("private/var/db/lab-formulas.json")
"""Below a machine's root: what has been released since, in the form of formulas.json."""


class UnavailableError(Exception):
    """No formula has that name; `Error:` or `Warning:` is the caller's choice."""

    def __init__(self, name: str, hint: str = "") -> None:
        self.name = name
        super().__init__(f'No available formula with the name "{name}". {hint}'.strip())


@dataclass(frozen=True)
class Formula:
    """One formula.

    `files` maps a path in the keg to where its content comes from: `linux:` and `bottle:` are
    links into the developer's machine, `module:` an entry script of a stand-in (`warm:` of one
    that the fork server runs), `script:` and `text:` the content itself. `needs` are further
    `linux:` or `bottle:` programs that must exist. `etc` is what a pour leaves in the prefix's
    `etc`, unless a file of that name is there.
    """

    name: str
    tap: str
    version: str
    desc: str
    files: dict[str, str] = field(default_factory=dict)
    etc: dict[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    keg_only: str = ""
    deprecated: str = ""
    caveats: str = ""
    url: str = ""
    homepage: str = ""
    license: str = ""
    older: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """`socat` for a core formula, `openai/tools/tart` for a tap's."""
        return self.name if self.tap == CORE else f"{self.tap}/{self.name}"

    def downloads(self) -> list[str]:
        """Return the URLs a pour fetches: a bottle's manifest and blob, or a release file."""
        if self.tap != CORE:
            return [self.url.replace("{version}", self.version)]
        image = f"https://ghcr.io/v2/homebrew/core/{self.name.replace('@', '/').replace('+', 'x')}"
        return [f"{image}/manifests/{self.version}", f"{image}/blobs/sha256:{self.checksum}"]

    @property
    def checksum(self) -> str:
        """The SHA-256 of the bottle, or of a release's file, as the formula gives it."""
        if self.tap == CORE:
            return bottle.digest(self.name, self.version)
        return hashlib.sha256(bottle.RELEASE).hexdigest()

    def at(self, version: str) -> "Formula":
        """Return the same formula at an older version that the lab knows.

        Raises:
            ValueError: the lab has no such version.
        """
        if version not in (self.version, *self.older):
            raise ValueError(f"{self.full_name} {version} is not known to the lab")
        return replace(self, version=version)


class Formulary:
    """All formulae, by tap."""

    def __init__(self, taps: dict[str, dict[str, dict[str, Any]]]) -> None:
        self._taps = {
            tap: {name: _formula(tap, name, entry) for name, entry in formulae.items()}
            for tap, formulae in taps.items()
        }

    @classmethod
    def load(cls, path: Path = DATA, newer: Path | None = None) -> "Formulary":
        """Read the data file; what a file `newer` says of a formula replaces what is there."""
        data = json.loads(path.read_text())
        if newer is not None and newer.is_file():
            for tap, formulae in json.loads(newer.read_text()).items():
                for name, entry in formulae.items():
                    data[tap][name] |= entry
        return cls(data)

    def tap_exists(self, tap: str) -> bool:
        """Whether the tap is a repository one can clone."""
        return tap in self._taps

    def of_tap(self, tap: str) -> list[Formula]:
        """Return the formulae of a tap; empty when there is no such tap."""
        return list(self._taps.get(tap, {}).values())

    def find(self, name: str, tapped: list[str]) -> Formula:
        """Return the formula a user means by `name`.

        A short name is looked up in the core tap first, then in the taps in `tapped`.

        Raises:
            UnavailableError: nothing has that name.
        """
        tap, short = split(name)
        for candidate in [tap] if tap else [CORE, *tapped]:
            for formula in self._taps.get(candidate, {}).values():
                if short == formula.name or short in formula.aliases:
                    return formula
        raise UnavailableError(name.lower(), self._did_you_mean(short))

    def search(self, text: str, tapped: list[str]) -> list[str]:
        """Names that contain `text`, as `brew search` and a failed install list them."""
        return [formula.full_name for formula in self._visible(tapped) if text in formula.name]

    def _visible(self, tapped: list[str]) -> Iterator[Formula]:
        for tap in (CORE, *tapped):
            yield from self._taps.get(tap, {}).values()

    def _did_you_mean(self, short: str) -> str:
        close = difflib.get_close_matches(short, self._taps[CORE], n=3, cutoff=0.8)
        return f"Did you mean {' or '.join(close)}?" if close else ""


def split(name: str) -> tuple[str, str]:
    """`("openai/tools", "tart")` for `openai/tools/tart`, `("", "socat")` for `socat`."""
    parts = name.lower().split("/")
    if len(parts) == 3:
        return f"{parts[0]}/{parts[1].removeprefix('homebrew-')}", parts[2]
    return "", name.lower()


def is_core(tap: str) -> bool:
    """Whether the tap is one of Homebrew's own, which are always trusted."""
    return tap.startswith("homebrew/")


def _formula(tap: str, name: str, entry: dict[str, Any]) -> Formula:
    fields: dict[str, Any] = {"name": name, "tap": tap}
    for key, value in entry.items():
        fields[key] = tuple(value) if isinstance(value, list) else value
    return Formula(**fields)
