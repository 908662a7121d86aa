"""What the tests of the stand-in hold in their hands: npm, a served site, the running program."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.bottles import DEFAULT_DIR

BOTTLE = DEFAULT_DIR / "node@22"
NODE = BOTTLE / "bin" / "node"
NPM = BOTTLE / "lib/node_modules/npm/bin/npm-cli.js"
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
