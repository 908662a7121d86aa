"""A NanoClaw small enough to be built in seconds without any registry, as a git repository.

It is laid out as 1.2.52 is (reference/nanoclaw.md §1.2), so that the profile recognises it; its
dependencies lie in the repository itself, and its database is the one that Node brings along.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACKAGE: dict[str, Any] = {
    "name": "nanoclaw",
    "version": "1.2.52",
    "type": "module",
    "scripts": {"build": "node build.mjs"},
    "dependencies": {
        "@onecli-sh/sdk": "file:vendor/onecli",
        "better-sqlite3": "file:vendor/better-sqlite3",
    },
}
LOCK: dict[str, Any] = {
    "name": "nanoclaw",
    "version": "1.2.52",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {
        "": {"name": "nanoclaw", "version": "1.2.52", "dependencies": PACKAGE["dependencies"]},
        "node_modules/@onecli-sh/sdk": {"resolved": "vendor/onecli", "link": True},
        "node_modules/better-sqlite3": {"resolved": "vendor/better-sqlite3", "link": True},
        "vendor/better-sqlite3": {"name": "better-sqlite3", "version": "11.10.0"},
        "vendor/onecli": {"name": "@onecli-sh/sdk", "version": "0.2.0"},
    },
}
RUNNER = {
    "name": "nanoclaw-agent-runner",
    "version": "1.0.0",
    "type": "module",
    "scripts": {"build": "node ../../build.mjs"},
}
RUNNER_LOCK = {
    "name": "nanoclaw-agent-runner",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "packages": {"": {"name": "nanoclaw-agent-runner", "version": "1.0.0"}},
}

SOURCE: dict[str, str] = {
    "package.json": json.dumps(PACKAGE, indent=2),
    "package-lock.json": json.dumps(LOCK, indent=2),
    ".gitignore": "node_modules/\ndist/\nstore/\ndata/\nlogs/\n.env\n",
    "build.mjs": """import fs from 'node:fs';
fs.rmSync('dist', { recursive: true, force: true });
fs.cpSync('src', 'dist', { recursive: true, filter: (path) => !path.endsWith('.ts') });
""",
    "src/container-runtime.ts": "export const CONTAINER_RUNTIME_BIN = 'docker';\n",
    "src/channels/index.ts": "export {};\n",
    "src/channels/registry.ts": "export {};\n",
    "src/index.js": """import fs from 'node:fs';
import { createRequire } from 'node:module';
const Database = createRequire(import.meta.url)('better-sqlite3');
const database = new Database('store/messages.db');
database.exec('create table if not exists starts (pid integer)');
database.prepare('insert into starts values (?)').run(process.pid);
const said = { pid: process.pid, cwd: process.cwd(), level: process.env.LOG_LEVEL ?? null,
  variables: Object.keys(process.env).sort() };
fs.writeFileSync('data/said.json', JSON.stringify(said));
console.log(`INFO (${process.pid}): NanoClaw running (default trigger: @Andy)`);
process.on('SIGTERM', () => process.exit(0));
setInterval(() => {}, 1000);
""",
    "groups/main/CLAUDE.md": "# The main group, as it comes\n",
    "groups/global/CLAUDE.md": "# What all groups know\n",
    "vendor/onecli/package.json": '{"name": "@onecli-sh/sdk", "version": "0.2.0"}\n',
    "vendor/better-sqlite3/package.json": '{"name": "better-sqlite3", "version": "11.10.0"}\n',
    "vendor/better-sqlite3/index.js": """const { DatabaseSync } = require('node:sqlite');
module.exports = DatabaseSync;
""",
    "container/agent-runner/package.json": json.dumps(RUNNER, indent=2),
    "container/agent-runner/package-lock.json": json.dumps(RUNNER_LOCK, indent=2),
    "container/agent-runner/src/index.js": """const input = '/workspace/ipc/input';
console.log(input);
""",
}

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


@dataclass
class Repository:
    """A git repository in the making: its folder, and its commits by their branches' names."""

    folder: Path
    commits: dict[str, str] = field(default_factory=dict)

    def commit(self, name: str, changes: Mapping[str, str], parent: str = "main") -> str:
        """Commit the files of `changes` on top of `parent` as branch `name`; return its hash."""
        if self.commits:
            self._git("checkout", "--quiet", "-b", name, self.commits[parent])
        else:
            self._git("init", "--quiet", "--template=", "--initial-branch", name)
        for path, text in changes.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._git("add", "--all", "--force")
        self._git("commit", "--quiet", "--message", name)
        self.commits[name] = self._git("rev-parse", "HEAD").strip()
        return self.commits[name]

    def _git(self, *arguments: str) -> str:
        who = ["-c", "user.name=A", "-c", "user.email=a@example.com"]
        command = ["git", *who, *arguments]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=True, env=ENVIRONMENT
        )
        return done.stdout

    def archive(self) -> str:
        """Return the repository as `nanoclaw.git`, a tar in base64."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            archive.add(self.folder / ".git", "nanoclaw.git")
        return base64.encodebytes(buffer.getvalue()).decode()


def make(folder: Path) -> Repository:
    """Return a repository with `main`: all of `SOURCE`."""
    folder.mkdir(parents=True)
    repository = Repository(folder)
    repository.commit("main", SOURCE)
    return repository
