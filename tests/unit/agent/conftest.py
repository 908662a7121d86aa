"""A guest in a folder: the programs of the role, a repository, and a Node that is none."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clawkeep.nanoclaw.profile import named
from roles.agent.runtime import guest_programs
from tests import small_nanoclaw

# What of Node and npm counts here: their answers, what they leave behind, and how they fail.
NODE = """#!/bin/sh
here=$(dirname "$0")
case $1 in
-p) case $2 in
  *allowedNode*) printf '["22.1.0", "%s", "arm64", false]' "$(cat "$here/abi")" ;;
  *) echo "$(cat "$here/abi") arm64" ;;
  esac ;;
--check) if grep -q UNPARSABLE "$2"; then echo "SyntaxError: Unexpected token" >&2; exit 1; fi ;;
-e)
  if [ -e node_modules/better-sqlite3/.unfit ]; then
    echo "was compiled against a different Node.js version using NODE_MODULE_VERSION 115" >&2
    exit 1
  fi
  printf 42 ;;
esac
"""
NPM = """#!/bin/sh
here=$(dirname "$0")
echo "$* in $(basename "$PWD")" >> "$here/calls"
env > "$here/environment"
if [ -e "$here/fails-$1" ]; then echo "npm error code E${1}FAILED" >&2; exit 1; fi
case $1 in
ci) rm -rf node_modules; mkdir -p node_modules/better-sqlite3
  if [ -e "$here/unfit" ]; then touch node_modules/better-sqlite3/.unfit; fi ;;
rebuild) if [ ! -e "$here/hopeless" ]; then rm -f node_modules/better-sqlite3/.unfit; fi ;;
run)
  if grep -rq "TYPE ERROR" src; then echo "src/index.ts(1,1): error TS1005"; exit 2; fi
  if [ -e "$here/slow" ]; then
    echo $$ > "$here/building.new"; mv "$here/building.new" "$here/building"; exec sleep 30
  fi
  rm -rf dist; mkdir dist; cp src/*.js dist/ ;;
esac
"""


def pythons() -> list[str]:
    """Return the interpreters to try: this one, and the guest's own version where there is one."""
    found = [sys.executable]
    if old := shutil.which("python3.9"):
        done = subprocess.run([old, "-c", ""], capture_output=True, check=False)
        found += [old] if done.returncode == 0 else []
    return found


class Proxy(socketserver.ThreadingTCPServer):
    """Answers every CONNECT in one way, and keeps where it should have led."""

    daemon_threads = True
    answer = b"HTTP/1.1 200 OK\r\n\r\n"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Tunnel)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked: list[str] = []


class Tunnel(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode().split()[1])
        self.wfile.write(self.server.answer)


@pytest.fixture(scope="session")
def proxy() -> Iterator[Proxy]:
    with Proxy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@dataclass
class Guest:
    """The folders, and what an operator's side would ask for."""

    folder: Path
    repository: small_nanoclaw.Repository
    python: str
    proxy: Proxy

    @property
    def root(self) -> Path:
        return self.folder / "nanoclaw"

    @property
    def bin(self) -> Path:
        return self.folder / "node" / "bin"

    def spec(self, commit: str = "main", **more: Any) -> dict[str, Any]:
        """Return the specification of a build of the branch `commit`."""
        profile = named("v1.2")
        spec: dict[str, Any] = {
            "profile": profile.name,
            "version": profile.version,
            "label": profile.label,
            "repository": str(self.repository.folder),
            "commit": self.repository.commits.get(commit, commit),
            "skills": [],
            "node": str(self.bin / "node"),
            "node_major": 22,
            "git_rewrites": {},
            "channel": None,
            "registry": "https://npm.example/",
            "proxy": self.proxy.url,
        }
        spec |= more
        return spec | {"digest": json.dumps(spec, sort_keys=True)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [self.python, "-I", str(self.folder / "libexec" / "checkout.py"), *arguments]
        return subprocess.Popen(
            [*command, "--root", str(self.root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "SECRET": "sesame"},
        )

    def run(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(stdin, timeout=60)
            return process.returncode, out.strip(), err

    def build(self, commit: str = "main", **more: Any) -> str:
        """Build, which must succeed; return the release's id."""
        status, out, err = self.run("build", stdin=json.dumps(self.spec(commit, **more)))
        assert status == 0, err
        return out

    def fails(self, commit: str = "main", **more: Any) -> str:
        """Build, which must fail; return what it says."""
        status, out, err = self.run("build", stdin=json.dumps(self.spec(commit, **more)))
        assert (status, out) == (1, ""), err
        return err

    def activate(self, release: str) -> None:
        status, _, err = self.run("activate", release)
        assert status == 0, err

    def status(self) -> dict[str, Any]:
        status, out, err = self.run("status", str(self.bin / "node"))
        assert status == 0, err
        data: dict[str, Any] = json.loads(out)
        return data

    def release(self, name: str) -> Path:
        return self.root / "releases" / name

    def releases(self) -> set[str]:
        return set(os.listdir(self.root / "releases"))

    def calls(self) -> list[str]:
        """Return what npm was called for, and forget it."""
        log = self.bin / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture(params=pythons(), ids=lambda path: Path(path).name)
def guest(request: pytest.FixtureRequest, tmp_path: Path, proxy: Proxy) -> Guest:
    libexec = tmp_path / "libexec"
    libexec.mkdir()
    for name, content in guest_programs().items():
        (libexec / name).write_bytes(content)
    made = Guest(tmp_path, small_nanoclaw.make(tmp_path / "source"), request.param, proxy)
    made.bin.mkdir(parents=True)
    (made.bin / "abi").write_text("127")
    for name, text in (("node", NODE), ("npm", NPM)):
        (made.bin / name).write_text(text)
        (made.bin / name).chmod(0o755)
    made.root.mkdir()
    return made
