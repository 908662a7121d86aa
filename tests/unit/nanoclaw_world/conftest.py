"""The stand-in for NanoClaw built on this machine, and the lab's services on its loopback."""

from __future__ import annotations

import asyncio
import http.server
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import npm_registry
from lab.bottles import DEFAULT_DIR, missing
from lab.services import http as lab_http
from lab.services.internet import Service, Stock
from lab.services.journal import Journal
from tests.nanoclaw import repository
from tests.unit.nanoclaw_world.program import NOBODY, NODE, Npm, Program, Served, free_port

DOCKER = Path(__file__).with_name("docker.py")


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
