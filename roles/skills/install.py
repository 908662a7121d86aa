"""Packages of skills: each pinned, each whole or not there at all."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from urllib.parse import urlsplit

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import StringCommand

from clawkeep.skills.packages import NODE
from clawkeep.skills.survey import NPM, slug
from roles.agent.checkout import npm_registry
from roles.homebrew import PREFIX, provisioning_window
from roles.probe import Answer, Probe, ask, change, want

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


def npm(name: str, packages: Mapping[str, Sequence[str]]) -> None:
    """Have npm packages in folders of their own, and their commands on the PATH.

    From the registry that npm on the host is set to; a folder takes its place when all is in it.
    """
    want(_installed(tuple(packages)))
    _npm(name=name, packages={package: list(names) for package, names in packages.items()})


@operation()
def _npm(packages: dict[str, list[str]]) -> Generator[StringCommand, None, None]:
    have = ask(_installed(tuple(packages)))
    due = [p for p in packages if have.get(f"{NPM}/{slug(p)}") != p.rpartition("@")[2]]
    if not due:
        host.noop(f"{len(packages)} npm packages are installed")
        return
    registry = npm_registry() if host.state.is_executing else ""
    name = urlsplit(registry).hostname
    with provisioning_window([name] if name else []) as window:
        proxy = window.environment if window else ""
        for package in due:
            folder = f"{NPM}/{slug(package)}"
            host.log(f"    install: {package}")
            commands = packages[package]
            yield change(f"{proxy} {INSTALL}".lstrip(), folder, package, registry, NODE_BIN, PREFIX,
                         *commands)  # fmt: skip


# $1 folder, $2 package, $3 registry, $4 Node's folder, $5 prefix, then the commands.
INSTALL = r"""set -eu
d=$1 p=$2 r=$3 PATH=$4:$PATH; prefix=$5; shift 5
export PATH npm_config_update_notifier=false
mkdir -p "$(dirname "$d")"; rm -rf "$d.new"; mkdir "$d.new"
npm install --prefix "$d.new" --registry "$r" --no-fund --no-audit --loglevel=error \
  --save-exact "$p" >/dev/null
for c in "$@"; do
  [ -x "$d.new/node_modules/.bin/$c" ] || { echo "$p brings no command $c" >&2; exit 1; }
done
rm -rf "$d"; mv "$d.new" "$d"
for c in "$@"; do ln -sf "$d/node_modules/.bin/$c" "$prefix/bin/$c"; done
"""
