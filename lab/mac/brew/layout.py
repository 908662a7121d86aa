"""Where Homebrew keeps what, and where the lab's programs really come from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HOMEBREW = "/opt/homebrew"
"""The prefix on Apple silicon, as every message and script names it."""

BREW_VERSION = "6.0.18"
"""Source: reference/macos.md, appendix."""

LAB_SOURCES: Mapping[str, Path] = {
    "linux": Path("/System/Lab/linux"),
    "bottle": Path("/System/Lab/bottles"),
    "python": Path("/System/Lab/python"),
}
"""What a `linux:` or `bottle:` file of a formula points at inside a lab machine."""


@dataclass(frozen=True)
class Prefix:
    """The `/opt/homebrew` of one root folder.

    `root` is `/` inside a lab machine, an image's folder while it is being built. `sources` says
    where the programs behind the formulae can be looked for *now*; links always point at
    `LAB_SOURCES`, because that is where they are once the machine runs.
    """

    root: Path = Path("/")
    sources: Mapping[str, Path] = field(default_factory=lambda: LAB_SOURCES)

    @property
    def path(self) -> Path:
        """The prefix folder itself."""
        return self.root / HOMEBREW.lstrip("/")

    @property
    def cellar(self) -> Path:
        """`Cellar`, where kegs are."""
        return self.path / "Cellar"

    @property
    def opt(self) -> Path:
        """`opt`, one link per installed formula, keg-only ones included."""
        return self.path / "opt"

    @property
    def taps(self) -> Path:
        """`Library/Taps`, one folder per tapped repository."""
        return self.path / "Library" / "Taps"

    def state(self, kind: str) -> Path:
        """`var/homebrew/<kind>`: `linked`, `pinned` or `locks`."""
        return self.path / "var" / "homebrew" / kind

    def folders(self) -> list[Path]:
        """Return the folders that a fresh installation has, all owned by its user."""
        names = ("bin", "sbin", "etc", "lib", "share", "include", "Frameworks", "Caskroom")
        state = [self.state(kind) for kind in ("linked", "pinned", "locks")]
        return [
            self.path,
            *(self.path / name for name in names),
            self.cellar,
            self.opt,
            self.taps,
            *state,
        ]

    def unwritable(self) -> list[str]:
        """Return the folders the caller may not write, as the preinstall check lists them."""
        found = [folder for folder in self.folders() if folder.is_dir()]
        return [self.shown(folder) for folder in found if not os.access(folder, os.W_OK)]

    def shown(self, path: Path) -> str:
        """Return the path as a user of the machine sees it, whatever `root` is."""
        return "/" + str(path.relative_to(self.root))
