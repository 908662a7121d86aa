"""The stand-in for NanoClaw built on this machine, and the lab's services on its loopback."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import npm_registry
from lab.bottles import DEFAULT_DIR, missing
from lab.services import http as lab_http
from lab.services.internet import Service, Stock
from lab.services.journal import Journal
from tests.nanoclaw import repository

BOTTLE = DEFAULT_DIR / "node@22"
NODE = BOTTLE / "bin" / "node"
NPM = BOTTLE / "lib/node_modules/npm/bin/npm-cli.js"
DOCKER = Path(__file__).with_name("docker.py")
NOBODY = 65534
"""The agent refuses to be root, as the real one does."""

SAY = """\
const [url, frame, count] = process.argv.slice(1);
const socket = new WebSocket(url);
const heard = [];
socket.onopen = () => socket.send(frame);
socket.onmessage = ({data}) => {
  const {type, text} = JSON.parse(data);
  if (type !== "typing" && heard.push(text) == count) {
    console.log(JSON.stringify(heard)); socket.close();
  }
};
socket.onerror = () => process.exit(1);
setTimeout(() => process.exit(2), 20000).unref();
"""


def unprivileged() -> dict[str, Any]:
    """Return what makes `subprocess` leave root behind, if that is what the tests run as."""
    as_nobody: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    return as_nobody if os.geteuid() == 0 else {}


def wait_for(what: str, question: Callable[[], Any], timeout_s: float = 10) -> Any:
    """Ask until the answer is true; return it."""
    deadline = time.monotonic() + timeout_s
    while not (answer := question()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(0.02)
    return answer


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder that an unprivileged user can go through, unlike pytest's own."""
    if absent := missing(DEFAULT_DIR):
        pytest.skip(f"needs the bottle cache (python -m lab.bottles): {absent[0]}")
    folder = Path(tempfile.mkdtemp(prefix="nanoclaw-world-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """The lab's npm registry, on this machine's loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = npm_registry.handle(self.path, DEFAULT_DIR)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@dataclass(frozen=True)
class Npm:
    """The guests' npm, which knows no registry but the lab's."""

    registry: str
    home: Path

    def __call__(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        """Run npm in a folder."""
        return subprocess.run(
            [str(NODE), str(NPM), *words],
            cwd=folder,
            env={
                "PATH": f"{NODE.parent}:/usr/bin:/bin",
                "HOME": str(self.home),
                "npm_config_registry": self.registry,
                # Its documents name the lab's host.
                "npm_config_replace_registry_host": "always",
                "npm_config_cache": str(self.home / "npm-cache"),
                "npm_config_update_notifier": "false",
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture(scope="session")
def npm(scratch: Path, registry: str) -> Npm:
    """Runs npm."""
    return Npm(registry, scratch)


@pytest.fixture(scope="session")
def built(scratch: Path) -> repository.Repository:
    """The stand-in's repository."""
    return repository.build(scratch / "nanoclaw.git")


@pytest.fixture(scope="session")
def modules(scratch: Path, npm: Npm, built: repository.Repository) -> Path:
    """A checkout of main with its packages installed: all branches have the same."""
    folder = checkout(built, "main", scratch / "packages")
    runner = folder / "container/agent-runner"
    for place in (folder, runner):
        # Install scripts would go to github.com.
        done = npm(place, "ci", "--ignore-scripts")
        assert done.returncode == 0, done.stderr
    (asset,) = (DEFAULT_DIR / "prebuilt").glob("better-sqlite3-*.tar.gz")
    with tarfile.open(asset) as tar:
        tar.extractall(folder / "node_modules/better-sqlite3", filter="data")
    return folder


def checkout(built: repository.Repository, branch: str, folder: Path) -> Path:
    """Lay out the files of a branch."""
    folder.mkdir()
    archive = subprocess.run(
        ["git", "-C", str(built.path), "archive", built.commits[branch]],
        capture_output=True,
        check=True,
    )
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


@pytest.fixture(scope="session")
def compiled(
    scratch: Path, npm: Npm, built: repository.Repository, modules: Path
) -> Callable[[str], Path]:
    """Gives the folder of a branch, compiled; once per branch."""

    def compile_it(branch: str) -> Path:
        folder = scratch / branch.replace("/", "-")
        if not folder.exists():
            checkout(built, branch, folder)
            for place in (".", "container/agent-runner"):
                (folder / place / "node_modules").symlink_to(modules / place / "node_modules")
                done = npm(folder / place, "run", "build")
                assert done.returncode == 0, done.stdout
        return folder

    return compile_it


@dataclass(frozen=True)
class Served:
    """One of the lab's sites on the loopback, with the lab's folder behind it."""

    url: str
    folder: Path

    def visits(self) -> list[dict[str, Any]]:
        """Return what it noted."""
        return [
            json.loads(line) for line in (self.folder / "visits.jsonl").read_text().splitlines()
        ]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[Service], Served]]:
    """Serves sites of the lab's internet, as the internet itself does, until the test is over."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    folder = tmp_path / "lab"
    folder.mkdir()
    journal = Journal(folder / "visits.jsonl")

    def start(service: Service) -> Served:
        def handler(request: lab_http.Request) -> lab_http.Response:
            found = service(request, Stock(folder, DEFAULT_DIR))
            return found or lab_http.Response(200, "text/plain", b"any other site\n")

        serving = lab_http.serve("https", ("127.0.0.1", 0), handler, journal)
        server = asyncio.run_coroutine_threadsafe(serving, loop).result(5)
        port = server.sockets[0].getsockname()[1]
        return Served(f"http://127.0.0.1:{port}", folder)

    yield start

    async def end() -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)


@dataclass
class Program:
    """The host program, and a person who speaks to it."""

    folder: Path
    state: Path
    environment: dict[str, str]
    port: int
    process: subprocess.Popen[str] | None = None
    env_file: dict[str, str] = field(default_factory=dict)

    def start(self, **environment: str) -> None:
        """Start it, as launchd does: its output goes to two files."""
        lines = "".join(f"{name}={value}\n" for name, value in self.env_file.items())
        (self.folder / ".env").write_text(lines)
        with (self.folder / "out").open("a") as out, (self.folder / "err").open("a") as err:
            self.process = subprocess.Popen(
                [str(NODE), "dist/index.js"],
                cwd=self.folder,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                text=True,
                **unprivileged(),
            )

    def log(self, which: str = "out") -> str:
        """Return what it printed."""
        return (self.folder / which).read_text()

    def running(self) -> None:
        """Wait for its banner."""
        wait_for("the banner", lambda: "NanoClaw running" in self.log())

    def ended(self) -> int:
        """Wait for its end; return its exit status."""
        assert self.process is not None
        return self.process.wait(15)

    def say(self, text: str, **more: str) -> str:
        """Say something on the web channel; return the next message."""
        return self.hear(1, text, **more)[0]

    def hear(self, count: int, text: str, **more: str) -> list[str]:
        """Say something, and return that many messages that come then."""
        frame = json.dumps({"type": "message", "text": text, **more})
        done = subprocess.run(
            [str(NODE), "-e", SAY, f"ws://127.0.0.1:{self.port}", frame, str(count)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, self.log(), self.log("err"))
        return [str(text) for text in json.loads(done.stdout)]

    def calls(self) -> list[list[str]]:
        """Return how it called docker."""
        return [json.loads(line) for line in (self.state / "calls.jsonl").read_text().splitlines()]

    def runs(self) -> list[list[str]]:
        """Return its calls of `docker run`."""
        return [call for call in self.calls() if call[0] == "run"]

    def stop(self) -> None:
        """End it and its agents."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for file in self.state.glob("*.pid"):
            self._end_agent(file)

    def _end_agent(self, file: Path) -> None:
        """End an agent and what it started; nobody else who has got its number by now."""
        with contextlib.suppress(OSError, ValueError):
            pid = int(file.read_text())
            if str(self.state) in Path(f"/proc/{pid}/cmdline").read_text():
                os.killpg(pid, signal.SIGKILL)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture
def program(scratch: Path, compiled: Callable[[str], Path]) -> Iterator[Callable[..., Program]]:
    """Lays out an installation of a branch, ready to start."""
    made: list[Program] = []

    def make(branch: str = "skill/discord", **environment: str) -> Program:
        source = compiled(branch)
        base = Path(tempfile.mkdtemp(dir=scratch))
        base.chmod(0o755)
        folder, state, commands = base / "nanoclaw", base / "docker", base / "bin"
        shutil.copytree(source, folder, symlinks=True)
        for place in (state, commands, base / "home"):
            place.mkdir()
        docker = commands / "docker"
        # The interpreter of the tests may be where only root can go.
        python = "/usr/bin/python3" if os.geteuid() == 0 else sys.executable
        docker.write_text(f'#!/bin/sh\nexec {python} -I {DOCKER} "$@"\n')
        docker.chmod(0o755)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", str(NOBODY), str(base)], check=True)
        port = free_port()
        variables = {
            "PATH": f"{commands}:{NODE.parent}:/usr/bin:/bin",
            "HOME": str(base / "home"),
            "TZ": "Europe/Berlin",
            "DOCKER_STATE": str(state),
            "DOCKER_RUNNER": str(folder / "container/agent-runner"),
            **environment,
        }
        one = Program(folder, state, variables, port, env_file={"WEB_WS_PORT": str(port)})
        made.append(one)
        return one

    yield make
    for one in made:
        one.stop()
