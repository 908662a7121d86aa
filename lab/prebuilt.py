"""Native addons as their authors release them: compiled once here, for the lab's Node.

A guest has no compiler, and on a Mac `npm ci` needs none either: better-sqlite3's install script
(prebuild-install) fetches a compiled addon from its release on github.com. The lab's github.com
serves this file. It is made from the real package, against the headers of the very Node that the
guests run, and the addon must open a database before it is taken.
"""

import tarfile
import tempfile
from pathlib import Path

from lab.fetching import UnavailableError, npm_pack, run, unpack
from lab.npm import CPU

ADDON = "build/Release/better_sqlite3.node"
TRY = """\
const addon = require(process.argv[1]);
const database = new addon.Database(":memory:", ":memory:", true, false, false, 1000, null, null);
database.prepare("select 1", database, false); database.close();
"""


def fill(target: Path, wants: list[str]) -> None:
    """Compile `better-sqlite3@VERSION` for the Node in the cache's bottle (wants[1], its version).

    Raises UnavailableError, also where this machine has no compiler.
    """
    package, formula, _version = wants
    bottle = target.parent / formula
    node = bottle / "bin" / "node"
    if not node.exists():
        raise UnavailableError(f"the bottle {formula} is missing")
    abi = run([str(node), "-p", "process.versions.modules"]).strip()
    name, _, version = package.rpartition("@")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".compile-") as scratch:
        (tarball,) = npm_pack([package], Path(scratch))
        source = Path(scratch, "source")
        unpack(tarball, source)
        _compile(node, bottle, source)
        run([str(node), "-e", TRY, str(source / ADDON)])
        asset = f"{name}-v{version}-node-v{abi}-linux-{CPU}.tar.gz"
        with tarfile.open(target / asset, "w:gz") as tar:
            tar.add(source / ADDON, ADDON)


def _compile(node: Path, bottle: Path, source: Path) -> None:
    gyp = bottle / "lib/node_modules/npm/node_modules/node-gyp/bin/node-gyp.js"
    command = [str(node), str(gyp), "rebuild", "--release", f"--nodedir={bottle}"]
    run(command, cwd=source)
