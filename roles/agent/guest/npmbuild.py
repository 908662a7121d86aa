"""From a source tree to something that runs: dependencies, build, proofs, the agent's program.

What npm reports proves nothing: with an addon for another Node it installs, and the build compiles,
without a word (reference/nanoclaw.md §2.1). So a database is really opened, and what will be
started is parsed by the Node that will start it.
Runs in the guest on its own Python 3.9, standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import subprocess
from urllib.parse import urlsplit

import gitsource
import offline
import releases
from stepping import StepError, run, say

RUNNER = "container/agent-runner"
ADDON = "better-sqlite3"

ABOUT = """JSON.stringify([
  process.versions.node, process.versions.modules, process.arch,
  process.allowedNodeEnvironmentFlags.has('--use-system-ca')])"""

OPEN = """
const Database = require('better-sqlite3');
const database = new Database(':memory:');
database.exec('create table proof (answer integer)');
database.prepare('insert into proof values (?)').run(42);
process.stdout.write(String(database.prepare('select answer from proof').get().answer));
"""


class Node:
    """One Node and its npm: `binary` is its absolute path, `major` the version it must have."""

    def __init__(self, binary: str, major: int, env: dict[str, str]) -> None:
        self.binary = binary
        self.npm = os.path.join(os.path.dirname(binary), "npm")
        self.env = env
        said = run("node", [binary, "-p", ABOUT], "/", env, timeout_s=60)
        self.version, self.abi, self.arch, trusts_system = json.loads(said)
        if trusts_system:
            # A registry of one's own may have a certificate that only this machine knows.
            env["NODE_OPTIONS"] = "--use-system-ca"
        if int(self.version.split(".")[0]) != major:
            raise StepError(f"node: {binary} is {self.version}; expected {major}, so look at what "
                            f"is linked there (brew reinstall node@{major})")  # fmt: skip

    def modules_key(self, lock: str) -> str:
        """Return what installed dependencies depend on: the lock's hash, the ABI, the machine."""
        return releases.text_hash(json.dumps([lock, self.abi, self.arch]))

    def run(self, step: str, folder: str, *arguments: str) -> str:
        """Run npm in a folder; return its stdout."""
        return run(step, [self.npm, *arguments], folder, self.env)

    def check(self, step: str, path: str) -> None:
        """Have Node parse a program without running it. Raises StepError when it cannot."""
        if not os.path.isfile(path):
            raise StepError(f"{step}: the build left no {path}")
        run(step, [self.binary, "--check", path], os.path.dirname(path), self.env)


def install(node: Node, folder: str, donor: str | None, step: str) -> None:
    """Have the locked dependencies in `folder`: copied from `donor`, else by `npm ci`."""
    target = os.path.join(folder, "node_modules")
    if donor is not None:
        say(f"{step}: dependencies as in {donor}")
        copy(donor, target)
        return
    reach(step, node.env)
    words = ("ci", "--include=dev", "--no-audit", "--no-fund", "--no-progress")
    if "npm_config_offline" in node.env:
        with offline.addressed(os.path.join(folder, gitsource.LOCK)):
            node.run(step, folder, *words)
    else:
        node.run(step, folder, *words)
    os.makedirs(target, exist_ok=True)


def reach(step: str, env: dict[str, str]) -> None:
    """See that there is a way to the registry. Raises StepError with what is in it.

    npm 10 does not end when a proxy refuses it a tunnel: it spins.
    """
    registry, proxy = env.get("npm_config_registry"), env.get("https_proxy")
    if not registry:
        return
    url = urlsplit(registry)
    first = urlsplit(proxy) if proxy else url
    way = http.client.HTTPConnection(first.hostname or "", first.port or 443, timeout=30)
    if proxy:
        way.set_tunnel(url.hostname or "", url.port or 443)
    try:
        way.connect()
    except OSError as error:
        how = f"through {proxy}" if proxy else "directly"
        raise StepError(f"{step}: the registry {registry} is not reached {how}: {error}") from error
    finally:
        way.close()


def copy(source: str, target: str) -> None:
    """Copy a folder with its links; APFS shares the contents until one side changes."""
    done = subprocess.run(
        ["/bin/cp", "-cRp", source, target],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target, symlinks=True)


def build(node: Node, folder: str) -> None:
    """Compile NanoClaw and prove that what will be started can be."""
    node.run("build", folder, "run", "build")
    node.check("build", os.path.join(folder, "dist", "index.js"))


def prove(node: Node, folder: str, donor: str | None) -> None:
    """Open a database. An addon that does not fit is installed, or compiled, anew, once.

    Raises StepError with the addon's own words when it still does not work.
    """
    try:
        _open_database(node, folder)
    except StepError as error:
        say(f"proof: {ADDON} does not work; installing it anew: {error}")
    else:
        return
    if donor is not None:
        shutil.rmtree(os.path.join(folder, "node_modules"))
        install(node, folder, None, "install")
    else:
        node.run("proof", folder, "rebuild", ADDON)
    _open_database(node, folder)


def _open_database(node: Node, folder: str) -> None:
    said = run("proof", [node.binary, "-e", OPEN], folder, node.env, timeout_s=60)
    if said != "42":
        raise StepError(f"proof: {ADDON} answered {said!r}, expected '42'")


def build_agent(node: Node, release: str, donor: str | None) -> None:
    """Compile the agent-runner into `agent/`, its paths rewritten, and sealed.

    Once per release instead of at each start, which costs ten seconds (reference/nanoclaw.md §2.4).
    """
    import paths  # noqa: PLC0415 - only a build needs it, not every look at the releases

    source, target = os.path.join(release, RUNNER), os.path.join(release, "agent")
    if not os.path.isfile(os.path.join(source, "package-lock.json")):
        raise StepError(f"agent: there is no {RUNNER}/package-lock.json to install from")
    install(node, source, donor, "agent")
    node.run("agent", source, "run", "build")
    os.mkdir(target)
    shutil.copytree(os.path.join(source, "dist"), os.path.join(target, "dist"))
    shutil.copyfile(os.path.join(source, "package.json"), os.path.join(target, "package.json"))
    os.rename(os.path.join(source, "node_modules"), os.path.join(target, "node_modules"))
    shutil.rmtree(os.path.join(source, "dist"))
    try:
        paths.rewrite(target)
    except Exception as error:
        raise StepError(f"agent: {error}") from error
    node.check("agent", os.path.join(target, "dist", "index.js"))
