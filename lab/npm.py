"""The packages that lock files name, fetched once, for the lab's own npm registry.

`npm ci` in a guest then installs exactly what the lock says, from tarballs with the hashes that the
lock holds. Which registry they come from is this machine's npm's business.
`python -m lab.npm LOCK…` adds the packages of further lock files to the cache.
"""

import argparse
import base64
import hashlib
import json
import os
import platform
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.fetching import UnavailableError, npm_pack
from lab.npm_registry import INDEX

CHECKOUT = Path(__file__).resolve().parents[1]
LOCKS = CHECKOUT / "tests" / "nanoclaw"
"""What the guests of the tests install."""

EXTRA = "npm-extra"
AT_A_TIME = 40
CPU = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
MANIFEST = (
    "name", "version", "dependencies", "optionalDependencies", "peerDependencies", "os", "cpu",
    "peerDependenciesMeta", "bin", "engines", "libc", "bundleDependencies", "bundledDependencies",
)  # fmt: skip


def own_locks() -> list[Path]:
    """Return the lock files of what the tests install in guests."""
    return sorted(LOCKS.rglob("package-lock.json"))


def locked(locks: Iterable[Path]) -> list[str]:
    """Return what the locks name and this machine's kind can install, as `name@version`.

    Packages that come from elsewhere than a registry (git, a file) are left out.
    """
    found = set()
    for lock in locks:
        for place, package in json.loads(lock.read_text())["packages"].items():
            name = package.get("name") or place.rpartition("node_modules/")[2]
            foreign = not package.get("resolved", "https:").startswith("https:")
            if place and not foreign and not package.get("link") and _fits(package):
                found.add(f"{name}@{package['version']}")
    return sorted(found)


def fill(target: Path, wants: list[str]) -> None:
    """Fetch the packages into a folder, with an index of their manifests."""
    index: dict[str, dict[str, Any]] = {}
    for start in range(0, len(wants), AT_A_TIME):
        for tarball in npm_pack(wants[start : start + AT_A_TIME], target):
            manifest = _manifest(tarball)
            index.setdefault(manifest["name"], {})[manifest["version"]] = manifest
    (target / INDEX).write_text(json.dumps(index))


def add(bottles: Path, locks: Iterable[Path]) -> int:
    """Add what further locks name to the cache; return how many packages were fetched.

    Raises UnavailableError.
    """
    target = bottles / EXTRA
    target.mkdir(parents=True, exist_ok=True)
    known = json.loads((target / INDEX).read_text()) if (target / INDEX).exists() else {}
    have = {f"{name}@{version}" for name, versions in known.items() for version in versions}
    missing = [want for want in locked(locks) if want not in have]
    with tempfile.TemporaryDirectory(dir=bottles, prefix=".npm-") as scratch:
        fill(Path(scratch), missing)
        for name, versions in json.loads(Path(scratch, INDEX).read_text()).items():
            known.setdefault(name, {}).update(versions)
        for tarball in Path(scratch).glob("*.tgz"):
            tarball.replace(target / tarball.name)
    (target / f"{INDEX}.new").write_text(json.dumps(known))
    os.replace(target / f"{INDEX}.new", target / INDEX)
    return len(missing)


def _fits(package: dict[str, Any]) -> bool:
    """Whether npm would install it here: a list holds what fits, or with `!` what does not."""
    for field, own in (("os", "linux"), ("cpu", CPU), ("libc", "glibc")):
        listed = package.get(field) or []
        wanted = [one for one in listed if not one.startswith("!")]
        if f"!{own}" in listed or (wanted and own not in wanted):
            return False
    return True


def _manifest(tarball: Path) -> dict[str, Any]:
    """Return what a registry says of a version, read from its tarball."""
    with tarfile.open(tarball) as tar:
        names = [name for name in tar.getnames() if name.count("/") == 1]
        inner = next(name for name in names if name.endswith("/package.json"))
        file = tar.extractfile(inner)
        content = json.load(file) if file else {}
        gyp = any(name.endswith("/binding.gyp") for name in names)
    manifest = {field: content[field] for field in MANIFEST if field in content}
    scripts = content.get("scripts") or {}
    if gyp or any(scripts.get(name) for name in ("preinstall", "install", "postinstall")):
        manifest["hasInstallScript"] = True
    data = tarball.read_bytes()
    integrity = base64.b64encode(hashlib.sha512(data).digest()).decode()
    manifest["dist"] = {
        "tarball": tarball.name,
        "shasum": hashlib.sha1(data).hexdigest(),
        "integrity": f"sha512-{integrity}",
    }
    return manifest


def main() -> int:
    """Add the packages of lock files to the cache."""
    from lab.bottles import DEFAULT_DIR  # noqa: PLC0415 - it imports this module

    parser = argparse.ArgumentParser(prog="python -m lab.npm", description=main.__doc__)
    parser.add_argument("--dir", type=Path, default=DEFAULT_DIR, help="the cache (%(default)s)")
    parser.add_argument("locks", type=Path, nargs="+", metavar="LOCK", help="a package-lock.json")
    options = parser.parse_args()
    try:
        count = add(options.dir, options.locks)
    except (UnavailableError, OSError, ValueError, KeyError) as problem:
        sys.stderr.write(f"npm: {problem}\n")
        return 1
    sys.stdout.write(f"npm: {count} packages fetched\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
