"""Packages of skills: each pinned, each whole or not there at all."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from urllib.parse import urlsplit

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.cache.wants import Plan
from clawkeep.skills.packages import NODE
from clawkeep.skills.survey import NPM, slug
from roles import cache
from roles.agent.checkout import npm_registry
from roles.homebrew import PREFIX, provisioning_window
from roles.probe import Answer, Probe, ask, change, want
from roles.told import told

NODE_BIN = f"{PREFIX}/opt/{NODE}/bin"


def _versions(answer: Answer) -> dict[str, str]:
    """Read lines `FOLDER VERSION`."""
    pairs = (line.rpartition(" ") for line in answer.text.splitlines())
    return {folder: version for folder, _, version in pairs if folder}


def _installed(packages: Sequence[str]) -> Probe[dict[str, str]]:
    rows = []
    for package in packages:
        name, folder = package.rpartition("@")[0], f"{NPM}/{slug(package)}"
        rows.append(
            f'echo {folder} $(sed -n \'s/^ *"version": *"\\(.*\\)".*/\\1/p\' '
            f"{folder}/node_modules/{name}/package.json | head -n 1)"
        )
    return Probe("npm packages of skills", "\n".join(rows), _versions)


def npm(name: str, packages: Mapping[str, Sequence[str]], stock: Plan | None = None) -> None:
    """Have npm packages in folders of their own, and their commands on the PATH.

    From the registry that npm on the host is set to, or with a `stock` from the host's cache; a
    folder takes its place when all is in it.
    """
    want(_installed(tuple(packages)))
    named = {package: list(names) for package, names in packages.items()}
    _npm(name=name, packages=named, stock=stock)


@operation()
def _npm(
    packages: dict[str, list[str]], stock: Plan | None
) -> Generator[StringCommand, None, None]:
    have = ask(_installed(tuple(packages)))
    due = [p for p in packages if have.get(f"{NPM}/{slug(p)}") != p.rpartition("@")[2]]
    if not due:
        host.noop(f"{len(packages)} npm packages are installed")
        return
    if stock:
        for package in due:
            told(package, "from the cache", "+")
        for package in due:
            found = cache.items(cache.keys(stock, "npm", [package]))
            yield change(FROM_CACHE, f"{NPM}/{slug(package)}", package, slug(package), NODE_BIN,
                         PREFIX, *packages[package], stdin=cache.listed(found))  # fmt: skip
        return
    registry = npm_registry() if host.state.is_executing else ""
    name = urlsplit(registry).hostname
    with provisioning_window([name] if name else []) as window:
        proxy = window.environment if window else ""
        for package in due:
            told(package, "installed", "+")
        for package in due:
            folder = f"{NPM}/{slug(package)}"
            commands = packages[package]
            yield change(f"{proxy} {INSTALL}".lstrip(), folder, package, registry, NODE_BIN, PREFIX,
                         *commands)  # fmt: skip


PLACE = r"""
for c in "$@"; do
  [ -x "$f.new/node_modules/.bin/$c" ] || { echo "$p brings no command $c" >&2; exit 1; }
done
rm -rf "$f"; mv "$f.new" "$f"
for c in "$@"; do ln -sf "$f/node_modules/.bin/$c" "$prefix/bin/$c"; done
"""
# $1 folder, $2 package, $3 registry, $4 Node's folder, $5 prefix, then the commands.
INSTALL = (
    r"""set -eu
f=$1 p=$2 r=$3 PATH=$4:$PATH; prefix=$5; shift 5
export PATH npm_config_update_notifier=false
mkdir -p "$(dirname "$f")"; rm -rf "$f.new"; mkdir "$f.new"
npm install --prefix "$f.new" --registry "$r" --no-fund --no-audit --loglevel=error \
  --save-exact "$p" >/dev/null
"""
    + PLACE
)
# $3 is the package's folder in the cache. What is in npm's own cache by its integrity, `npm ci`
# takes from there, and with --offline asks nobody. Source: npm's documentation of `npm cache add`
# and of `offline`; pacote's fetcher.js (`tarballStream`).
FROM_CACHE = (
    "d=$5/var/clawkeep/cached-npm\n"
    + cache.STAGE
    + r"""f=$1 p=$2 n=$3 PATH=$4:$PATH; prefix=$5; shift 5
export PATH npm_config_update_notifier=false npm_config_offline=true npm_config_cache=$d/cacache
mkdir -p "$(dirname "$f")"; rm -rf "$f.new"; mkdir "$f.new"
cp "$d/npm/$n/package.json" "$d/npm/$n/package-lock.json" "$f.new/"
npm cache add "$d"/npm/tarballs/*.tgz --loglevel=error </dev/null >/dev/null
npm ci --prefix "$f.new" --no-fund --no-audit --loglevel=error </dev/null >/dev/null
"""
    + PLACE
)
