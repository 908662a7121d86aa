"""Bottles for the cache, by the host's own brew, run as its owner.

What brew's signed data says of a bottle is what its file must be. brew itself believes a bottle
that lies in its cache without hashing it (reference: Homebrew/brew, bottle.rb
`downloaded_and_valid?`), so it is hashed here, when root takes it in, and in the guest.

A guest's brew pours without a network from a HOMEBREW_CACHE that has the bottles and their
manifests by brew's own names, and the API's file; bottles named by path it refuses
(HOMEBREW_FORBID_PACKAGES_FROM_PATHS is the default).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from clawkeep.cache import homebrew
from clawkeep.cache.index import Want
from clawkeep.onhost.cache_tools import HOMEBREW, Fetched, FillError, Plan, Scratch, fetched

BREW = f"{HOMEBREW}/bin/brew"
API_DOMAIN = "https://formulae.brew.sh/api"
"""Homebrew's own; every bottle's hash comes from there, signed. Source: env_config.rb."""

QUIET = {
    f"HOMEBREW_{name}": "1"
    for name in ("NO_AUTO_UPDATE", "NO_ENV_HINTS", "NO_ANALYTICS", "NO_ASK", "NO_INSTALL_CLEANUP")
}


def fetch(scratch: Scratch, wants: Sequence[Want], plan: Plan) -> list[Fetched]:
    """Return the bottles of all wants with what they need, and what brew must know of them.

    All of them come from one state of Homebrew: the API's file of a guest knows one version each.
    Raises FillError.
    """
    brew = _Brew(scratch, plan.tag)
    tapped = [want.name for want in wants if "/" in want.name]
    taps = dict.fromkeys(name.rpartition("/")[0] for name in tapped)
    brew.tap(list(taps), tapped)
    known = brew.describe([want.name for want in wants])
    users: dict[str, list[Want]] = {}
    for want in wants:
        for name in homebrew.closure(known, want.name, plan.tag):
            users.setdefault(name, []).append(want)
    try:
        pours = [homebrew.pour(known[name], plan.tag) for name in sorted(users)]
    except homebrew.NoBottleError as error:
        raise FillError(f"brew: {error}") from error
    scratch.say(f"formulas: {len(pours)} for {len(wants)} wanted")
    brew.bring([pour.name for pour in pours])
    found = [file for pour in pours for file in brew.files(pour, users[pour.name])]
    found.append(brew.api(wants))
    found += [brew.bundle(tap, wants) for tap in taps]
    return found


class _Brew:
    """brew with a cache of its own, so that what it leaves there is all that a guest needs."""

    def __init__(self, scratch: Scratch, tag: str) -> None:
        self.scratch, self.tag = scratch, tag
        self.cache = scratch.folder / "homebrew"
        self.cache.mkdir(parents=True, exist_ok=True)

    def __call__(self, *words: str) -> str:
        env = {**QUIET, "HOMEBREW_CACHE": str(self.cache)}
        return self.scratch.run([BREW, *words], env=env)

    def tap(self, taps: Sequence[str], formulas: Sequence[str]) -> None:
        """Have the taps, and trust exactly what is named in full."""
        for tap in taps:
            self("tap", tap)
        if formulas:
            self("trust", "--formula", *formulas)

    def describe(self, names: Sequence[str]) -> dict[str, homebrew.Described]:
        """Return what brew says of the formulas and of all that they need."""
        known: dict[str, homebrew.Described] = {}
        while due := homebrew.undescribed(known, names if not known else (), self.tag):
            try:
                known |= homebrew.formulae(json.loads(self("info", "--json=v2", *due)))
            except (ValueError, KeyError, TypeError) as error:
                raise FillError(f"brew info: {error!r}") from error
        return known

    def bring(self, names: Sequence[str]) -> None:
        """Have everything in the cache; a file whose hash is wrong is fetched once more."""
        core = [name for name in names if name.count("/") < 2]
        if core:
            self("fetch", "--formula", f"--bottle-tag={self.tag}", *core)
        if others := [name for name in names if name not in core]:
            self("fetch", "--formula", *others)

    def files(self, pour: homebrew.Pour, wants: Sequence[Want]) -> Iterator[Fetched]:
        """Yield what one formula is poured from. Raises FillError."""
        called = hashlib.sha256(pour.url.encode()).hexdigest()
        short = pour.name.rpartition("/")[2]
        path = self._one(f"{called}--*", pour)
        found = self._fetched(path, pour.name, pour.version, wants, "brew")
        if found.item.sha256 != pour.sha256:
            path.unlink()
            raise FillError(
                f"{pour.name} {pour.version}: what came has the SHA-256 {found.item.sha256}, and "
                f"brew says {pour.sha256}; it was removed, fill the cache again"
            )
        yield found
        if pour.bottled:
            manifest = self._one(f"*--{short}-*.bottle_manifest.json", pour, names=pour.sha256)
            yield self._fetched(manifest, f"{pour.name}: manifest", pour.version, wants, "recorded")

    def _one(self, pattern: str, pour: homebrew.Pour, names: str = "") -> Path:
        files = [
            file
            for file in self.cache.glob(f"downloads/{pattern}")
            if not file.name.endswith(".incomplete") and (not names or names in _text(file))
        ]
        if len(files) != 1:
            raise FillError(
                f"{pour.name} {pour.version}: brew left {len(files)} files {pattern} in its "
                f"cache, expected one; remove {self.cache} and fill the cache again"
            )
        return files[0]

    def api(self, wants: Sequence[Want]) -> Fetched:
        """Return what the guest's brew must know of all formulas; it checks the signature."""
        name = f"packages.{self.tag}.jws.json"
        path = self.cache / "api" / "internal" / name
        # The host's macOS may be another one; then its brew has another file.
        self.scratch.download({f"{API_DOMAIN}/internal/{name}": path})
        return self._fetched(path, "Homebrew's formulas", "", wants, "recorded")

    def bundle(self, tap: str, wants: Sequence[Want]) -> Fetched:
        """Return a tap, as a file that git clones from."""
        repository = self("--repository", tap).strip()
        path = self.cache / f"{tap.replace('/', '--')}.bundle"
        path.unlink(missing_ok=True)
        git = ("/usr/bin/git", "-C", repository)
        self.scratch.run([*git, "bundle", "create", "--quiet", str(path), "HEAD", "--branches"])
        users = [want for want in wants if want.name.startswith(f"{tap}/")]
        place = f"taps/{tap}.bundle"
        return fetched(path, "formula", f"tap {tap}", "", place, said_by="recorded", wants=users)

    def _fetched(
        self, path: Path, name: str, version: str, wants: Sequence[Want], said_by: str
    ) -> Fetched:
        place = f"homebrew/{path.relative_to(self.cache)}"
        return fetched(path, "formula", name, version, place, said_by=said_by, wants=wants)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")
