"""Homebrew's cache: where downloads lie, and which of them make a request needless.

A bottle's blob is called by the hash of its address and is taken for right when it is there: it is
hashed again only when it cannot be extracted. A manifest must name the bottle, a release's file
must have its checksum. The API's file is fetched when it is missing, and with
HOMEBREW_NO_AUTO_UPDATE only then.
Source: Homebrew/brew Library/Homebrew/bottle.rb (`downloaded_and_valid?`,
`with_corrupt_download_retry`), download_strategy/, api.rb (`skip_download?`) (6.0.18).
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from . import bottle
from .formulary import CORE, Formula
from .output import BrewError

API = f"https://formulae.brew.sh/api/internal/packages.{bottle.TAG}.jws.json"


@dataclass(frozen=True)
class Download:
    """One thing that a pour needs, and where it lies once it has come."""

    formula: Formula
    url: str
    kind: str
    basename: str
    sha256: str

    @property
    def path(self) -> Path:
        """Its place in the cache."""
        return (
            folder()
            / "downloads"
            / f"{hashlib.sha256(self.url.encode()).hexdigest()}--{self.basename}"
        )

    @property
    def valid(self) -> bool:
        """Whether what is in the cache is taken, as it is."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return False
        if self.kind == "Bottle":
            return True
        return self.arrived(data)

    def arrived(self, data: bytes) -> bool:
        """Whether that is what was to come."""
        if self.kind == "Bottle Manifest":
            return bottle.names_it(data, self.sha256)
        return hashlib.sha256(data).hexdigest() == self.sha256


def folder() -> Path:
    """Return `HOMEBREW_CACHE`, or the user's own."""
    home = os.environ.get("HOME", "/var/empty")
    return Path(os.environ.get("HOMEBREW_CACHE") or f"{home}/Library/Caches/Homebrew")


def downloads(formula: Formula) -> list[Download]:
    """Return what a pour of the formula needs."""
    name, version = formula.name, formula.version
    if formula.tap != CORE:
        (url,) = formula.downloads()
        return [Download(formula, url, "Formula", url.rpartition("/")[2], formula.checksum)]
    manifest, blob = formula.downloads()
    file = f"{name}--{version}.{bottle.TAG}.bottle.tar.gz"
    return [
        Download(formula, manifest, "Bottle Manifest",
                 f"{name}-{version}.bottle_manifest.json", formula.checksum),
        Download(formula, blob, "Bottle", file, formula.checksum),
    ]  # fmt: skip


def api_path() -> Path:
    """Return where the API's file lies."""
    return folder() / "api" / "internal" / API.rpartition("/")[2]


def api_needed() -> bool:
    """Whether the API's file must be fetched first.

    The images' own cache is taken to hold it: they were made with brew. A cache that is named has
    what somebody put there.
    """
    return "HOMEBREW_CACHE" in os.environ and not api_path().is_file()


def require_known(formula: Formula) -> None:
    """Refuse a core formula that the API's file in a named cache does not know.

    Raises:
        BrewError: the file is not what Homebrew signed; it is removed then.
    """
    path = api_path()
    if "HOMEBREW_CACHE" not in os.environ or not path.is_file():
        return
    names = bottle.api_names(path.read_bytes())
    if names is None:
        path.unlink()
        raise BrewError(
            f"Failed to verify integrity (signature mismatch) of:\n  {API}\n"
            "Potential MITM attempt detected. Please run `brew update` and try again."
        )
    if formula.tap == CORE and formula.name not in names:
        raise BrewError(f'No available formula with the name "{formula.name}".')
