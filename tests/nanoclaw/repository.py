"""The stand-in's git repository: the same commits on every machine, and a lab that serves it.

    built = repository.build(tmp_path / "nanoclaw.git")
    built.publish(lab)                  # the lab's guests clone repository.URL
    built.commits["main"]               # 40 hex digits

| branch         | what it is                                                                   |
| -------------- | ---------------------------------------------------------------------------- |
| main           | v1.2: credentials are injected, the only channel is `web`                    |
| skill/discord  | main, with the channel `discord`: to pin as it is, or to merge as a skill    |
| v1.1           | secrets travel on stdin; `web`, `discord`, and WhatsApp unless DISCORD_ONLY   |
| fork           | v1.1 for Apple's `container` instead of `docker`, and CHANNEL                |
| next           | main, one version later                                                      |
| broken-build   | main, and `npm run build` fails                                              |
| broken-literal | main, and its agent-runner names /workspace where no rewriting reaches it    |
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.lab import Lab

SOURCE = Path(__file__).parent
SLUG = "qwibitai/nanoclaw"
URL = f"https://github.com/{SLUG}.git"
WHO = "Clawkeep Tests <tests@clawkeep.invalid> 1767225600 +0000"
NOT_IN_IT = ("branches", "repository.py", "node_modules", "dist", "__pycache__")
CHANNELS = "src/channels/index.ts"
CHANNELS_KNOWN = "src/channels/registry.ts"
RUNTIME = "src/container-runtime.ts"
HOST = "src/index.ts"
CONFIG = "src/config.ts"
CONNECT, CONNECTED = "  // Create and connect channels\n", "  // Everything else begins"
REGISTRY = """\
import './channels/index.js';
import { factories } from './channels/registry.js';
"""
CONTRACTS = ("src/version.ts", "container/agent-runner/src/version.ts")
RUNNER = "container/agent-runner/src/index.ts"
VERSIONS = ("package.json", "package-lock.json")
Tree = Mapping[str, bytes]


@dataclass(frozen=True)
class Repository:
    """A bare repository, and the commit of each branch."""

    path: Path
    commits: Mapping[str, str]

    def publish(self, lab: Lab, slug: str = SLUG) -> str:
        """Let a lab's github.com serve it as `slug`; return the URL to clone."""
        target = lab.state.folder / "git" / f"{slug}.git"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.path, target)
        return f"https://github.com/{slug}.git"


def build(path: Path) -> Repository:
    """Write the repository to `path`, a folder that is not there yet."""
    subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", path], check=True)
    git = ["git", "-C", str(path)]
    stream = b"".join(_commit(branch, tree) for branch, tree in trees().items())
    subprocess.run([*git, "fast-import", "--quiet", "--done"], input=stream + b"done\n", check=True)
    shown = subprocess.run(
        [*git, "for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads"],
        capture_output=True,
        text=True,
        check=True,
    )
    commits = dict(line.rsplit(" ", 1) for line in shown.stdout.splitlines())
    return Repository(path, commits)


def trees() -> dict[str, Tree]:
    """Return the files of every branch."""
    main = {
        _name(file): file.read_bytes()
        for file in sorted(SOURCE.rglob("*"))
        if file.is_file() and not set(file.relative_to(SOURCE).parts) & set(NOT_IN_IT)
    }
    discord = main | _overlay("skill-discord")
    discord[CHANNELS] += b"import './discord-registered.js';\n"
    older = _older(discord)
    return {
        "main": main,
        "skill/discord": discord,
        "v1.1": _versioned(older, "1.1.2"),
        "fork": _versioned(_fork(older), "1.0.0"),
        "next": _versioned(main, "1.2.53"),
        "broken-build": _added(main, "src/version.ts", "export const lost: number = 'text';\n"),
        "broken-literal": _added(main, RUNNER, "export const OWN = /^\\/workspace\\/group\\//;\n"),
    }


def _older(tree: Tree) -> dict[str, bytes]:
    """Return v1.1: another contract, and WhatsApp and its friends where the registry was."""
    found = {**tree, **_overlay("v1.1")}
    for contract in CONTRACTS:
        found[contract] = _replaced(found[contract], "'v1.2' = 'v1.2'", "'v1.2' = 'v1.1'")
    index = found[HOST].decode()
    before, mark, rest = index.partition(CONNECT)
    _registry, end, after = rest.partition(CONNECTED)
    if not mark or not end:
        raise ValueError(f"{HOST} has no place for v1.1's channels")
    index = f"{before}{_part('connect')}{end}{after}"
    found[HOST] = _replaced(index.encode(), REGISTRY, _part("imports"))
    gone = {name for name in found if name.endswith("-registered.ts")} | {CHANNELS, CHANNELS_KNOWN}
    return {name: content for name, content in found.items() if name not in gone}


def _fork(tree: Tree) -> dict[str, bytes]:
    """Return the fork: Apple's `container`, whose part of the source had another name then."""
    found = {**tree, **_overlay("fork")}
    found[RUNTIME.replace("-runtime", "-system")] = found.pop(RUNTIME)
    # It has one channel: the one that CHANNEL names (reference/nanoclaw.md §1.5).
    for file, old, new in (
        (CONFIG, "'DISCORD_ONLY',", "'CHANNEL',"),
        (CONFIG, "const DISCORD_ONLY = (process.env.DISCORD_ONLY || file.DISCORD_ONLY) === 'true'",
         "const CHANNEL = process.env.CHANNEL || file.CHANNEL || 'whatsapp'"),
        (HOST, "  DISCORD_ONLY,", "  CHANNEL,"),
        (HOST, "if (!DISCORD_ONLY)", "if (CHANNEL === 'whatsapp')"),
        (HOST, "if (WEB_WS_PORT)", "if (CHANNEL === 'web')"),
    ):  # fmt: skip
        found[file] = _replaced(found[file], old, new)
    return {
        name: content.replace(b"/container-runtime.js", b"/container-system.js")
        if name.endswith(".ts")
        else content
        for name, content in found.items()
    }


def _part(name: str) -> str:
    return (SOURCE / "branches" / "v1.1" / f"{name}.part").read_text()


def _name(file: Path) -> str:
    name = str(file.relative_to(SOURCE))
    return ".gitignore" if name == "gitignore" else name


def _overlay(name: str) -> dict[str, bytes]:
    folder = SOURCE / "branches" / name
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*.ts")}


def _versioned(tree: Tree, version: str) -> dict[str, bytes]:
    old, new = '"version": "1.2.52"', f'"version": "{version}"'
    return {**tree, **{name: _replaced(tree[name], old, new) for name in VERSIONS}}


def _added(tree: Tree, name: str, text: str) -> dict[str, bytes]:
    return {**tree, name: tree[name] + text.encode()}


def _replaced(content: bytes, old: str, new: str) -> bytes:
    if old.encode() not in content:
        raise ValueError(f"{old!r} is not there any more")
    return content.replace(old.encode(), new.encode())


def _commit(branch: str, tree: Tree) -> bytes:
    """Return a commit as `git fast-import` reads it; every branch but main starts from main."""
    message = f"Stand-in for NanoClaw: {branch}\n".encode()
    head = [f"commit refs/heads/{branch}", f"author {WHO}", f"committer {WHO}"]
    parts = ["\n".join(head).encode(), b"\n", _data(message)]
    if branch != "main":
        parts.append(b"from refs/heads/main\n")
    parts.append(b"deleteall\n")
    for name, content in sorted(tree.items()):
        parts += [f"M 100644 inline {name}\n".encode(), _data(content)]
    return b"".join((*parts, b"\n"))


def _data(content: bytes) -> bytes:
    return b"data %d\n%b\n" % (len(content), content)
