"""A guest in which the direct runtime is installed as the agent phase leaves it, for the tests.

Real users and groups, real sudo, a real agent-runner under node; only the model is missing.
"""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clawkeep.contract.markers import Markers, Output
from clawkeep.contract.request import Request
from lab.lab import Lab
from roles.agent.program import PATHS, PYTHON, direct_runtime
from tests.lab.tart_host import TartHost, wait_for

CHECKOUT = Path(__file__).resolve().parents[2]
RUNNER = CHECKOUT / "tests" / "unit" / "runtime" / "agent-runner" / "index.js"
NODE = "/opt/homebrew/opt/node@24/bin/node"
ROOT, RELEASE = "/opt/nanoclaw", "/opt/nanoclaw/releases/0123456789ab-00000000"
STATE = ROOT + "/state"
AGENTS = ("claw-agent", "claw-agent-1", "claw-agent-2")
DOCKER = PATHS[0]
SETTINGS: dict[str, Any] = {
    "root": ROOT,
    "node": NODE,
    "user": "claw",
    "agents": AGENTS,
    "binary": "docker",
    "profile": "v1.2",
    "limits": {"cpu_s": None, "files": 512, "processes": 200, "memory_mb": None},
    "env": ["TZ"],
    "credentials": "stdin",
    "enabled": True,
    "groups_denied": ["outcast"],
}
SUDOERS = "".join(
    f"claw ALL = ({', '.join(AGENTS)}) NOPASSWD: {PYTHON} {DOCKER} {verb} *\n"
    for verb in ("__agent", "__signal", "__end")
)
ACCOUNTS = """
add() {{ # name uid
  dscl . -create /Groups/$1; dscl . -create /Groups/$1 PrimaryGroupID $2
  dscl . -create /Users/$1; dscl . -create /Users/$1 UniqueID $2
  dscl . -create /Users/$1 PrimaryGroupID $2; dscl . -create /Users/$1 UserShell /usr/bin/false
  dscl . -create /Users/$1 NFSHomeDirectory ${{3:-/var/empty}}
}}
add claw 510 /Users/claw
mkdir -p /Users/claw && chown claw:claw /Users/claw && chmod 700 /Users/claw
uid=600
for agent in {agents}; do
  add $agent $uid; dseditgroup -o edit -a claw -t user $agent; uid=$((uid + 1))
done
"""
TREE = """
set -e
folder() {{ install -d -o claw -g claw -m "$@"; }}
folder 755 {root} {root}/releases {release} {release}/agent {release}/agent/dist
folder 711 {state} {state}/groups {state}/data {state}/data/sessions {root}/runs
folder 700 {state}/store {state}/logs {state}/data/ipc
ln -s {state}/groups {release}/groups; ln -s {state}/data {release}/data
ln -s {state}/.env {release}/.env; ln -s {state}/store {release}/store
ln -s {release} {root}/current
"""


@dataclass
class Agent:
    """A `docker run` under way, as NanoClaw has one: stdin closed, output read as it comes."""

    process: subprocess.Popen[bytes]
    name: str
    outputs: list[Output] = field(default_factory=list)
    stdout: bytes = b""
    stderr: bytes = b""

    def __post_init__(self) -> None:
        self._threads = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _read_stdout(self) -> None:
        markers = Markers()
        assert self.process.stdout is not None
        while data := self.process.stdout.read1():  # type: ignore[attr-defined]
            self.stdout += data
            self.outputs += markers.feed(data)

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while data := self.process.stderr.read1():  # type: ignore[attr-defined]
            self.stderr += data

    def answer(self, number: int = 0, timeout_s: float = 20) -> str:
        """Return an answer that is not null, or fail with what was said instead."""

        def told() -> list[Output]:
            return [o for o in self.outputs if o.result is not None or o.status != "success"]

        wait_for("an answer", lambda: len(told()) > number or self.ended(), timeout_s)
        assert len(told()) > number, self.said()
        found = told()[number]
        assert found.status == "success", found
        return found.result or ""

    def value(self, number: int = 0) -> Any:
        """Return an answer to `eval:`."""
        return json.loads(self.answer(number))

    def ended(self) -> bool:
        """Whether it has ended and both its pipes are closed, as NanoClaw waits for it."""
        return self.process.poll() is not None and not any(t.is_alive() for t in self._threads)

    def wait(self, timeout_s: float = 20) -> int:
        """Wait for its end; return its exit status."""
        wait_for("the end of a run", self.ended, timeout_s)
        return self.process.returncode

    def said(self) -> str:
        """Return all that is known of it, for a test that fails."""
        return f"{self.process.poll()}: {self.stdout[-2000:]!r} {self.stderr[-2000:]!r}"


@dataclass
class RuntimeGuest:
    """The guest, and NanoClaw's side of the runtime in it."""

    lab: Lab
    vm: str
    count: int = 0

    def sh(self, script: str, user: str = "root", check: bool = True) -> str:
        """Run a script in the guest; return its output without the last newline."""
        done = self.lab.exec(f"guest:{self.vm}", ["/bin/sh", "-c", script], user=user)
        assert not check or done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout.rstrip("\n")

    def put(self, path: str, data: bytes, mode: str = "644", owner: str = "root") -> None:
        """Write a file in the guest."""
        place = shlex.quote(path)
        new = f"{place}.new"
        script = (
            f"base64 -d > {new} && chown {owner} {new} && chmod {mode} {new} && mv {new} {place}"
        )
        done = self.lab.exec(
            f"guest:{self.vm}", ["/bin/sh", "-c", script], input=base64.b64encode(data).decode()
        )
        assert done.returncode == 0, done.stderr

    def configure(self, **changes: Any) -> None:
        """Write runtime.json with some values changed."""
        self.put("/private/etc/clawkeep/runtime.json", json.dumps(SETTINGS | changes).encode())

    def install(self) -> None:
        """Make users, groups, sudo's rules, the tree and the runtime."""
        self.sh(ACCOUNTS.format(agents=" ".join(AGENTS)))
        self.put("/private/etc/sudoers.d/clawkeep-agents", SUDOERS.encode(), "440")
        self.sh("visudo -cq && mkdir -p /private/etc/clawkeep /usr/local/clawkeep/bin")
        self.configure()
        for path in PATHS:
            self.put(path, direct_runtime(), "755")
        self.sh(TREE.format(root=ROOT, release=RELEASE, state=STATE))
        self.put(STATE + "/.env", b"ANTHROPIC_API_KEY=of-the-env-file\n", "600", "claw")
        self.put(RELEASE + "/agent/dist/index.js", RUNNER.read_bytes(), "644", "claw")
        self.put(RELEASE + "/agent/package.json", b'{"type": "module"}\n', "644", "claw")
        for name in ("paths.py", "sealed.py"):
            self.put(f"/private/tmp/{name}", (CHECKOUT / "roles/agent/guest" / name).read_bytes())
        program = f"import paths; paths.rewrite('{RELEASE}/agent')"
        self.sh(f"cd /private/tmp && /usr/bin/python3 -c {shlex.quote(program)}", user="claw")

    def group(self, folder: str) -> None:
        """Make a group's folders as NanoClaw does: its user's, closed to all others."""
        self.sh(
            f"umask 077; cd {STATE}; mkdir -p groups/{folder}/logs data/sessions/{folder}/.claude"
            f" data/sessions/{folder}/agent-runner-src"
            f" data/ipc/{folder}/messages data/ipc/{folder}/tasks data/ipc/{folder}/input"
            f" && echo 'You are Andy.' > groups/{folder}/CLAUDE.md"
            f" && echo {{}} > data/sessions/{folder}/.claude/settings.json",
            user="claw",
        )

    def arguments(self, folder: str, *more: str, main: bool = False, name: str = "") -> list[str]:
        """Return the words that NanoClaw v1.1 writes after `docker`, in its order."""
        self.count += 1
        name = name or f"nanoclaw-{folder.replace('_', '-')}-{time.time_ns() // 1000 + self.count}"
        release = RELEASE
        words = ["run", "-i", "--rm", "--name", name, "-e", "TZ=Europe/Berlin"]
        words += ["--user", "510:20", "-e", "HOME=/home/node"]
        if main:
            words += ["-v", f"{release}:/workspace/project:ro"]
        words += ["-v", f"{release}/groups/{folder}:/workspace/group"]
        words += ["-v", f"{release}/data/sessions/{folder}/.claude:/home/node/.claude"]
        words += ["-v", f"{release}/data/ipc/{folder}:/workspace/ipc"]
        words += ["-v", f"{release}/data/sessions/{folder}/agent-runner-src:/app/src"]
        return [*words, *more, "nanoclaw-agent:latest"]

    def command(self, words: Sequence[str], program: str = DOCKER, cwd: str = RELEASE) -> list[str]:
        """Return the command line that calls the runtime as NanoClaw does: from its folder."""
        script = f'umask 077; cd {cwd} && exec "$0" "$@"'
        return self.lab.command(
            f"guest:{self.vm}", ["/bin/sh", "-c", script, program, *words], user="claw"
        )

    def docker(
        self, *words: str, program: str = DOCKER, cwd: str = RELEASE
    ) -> subprocess.CompletedProcess[str]:
        """Call the runtime to its end."""
        return subprocess.run(
            self.command(words, program, cwd),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def start(self, words: Sequence[str], stdin: bytes, program: str = DOCKER) -> Agent:
        """Start a run and hand it its request."""
        process = subprocess.Popen(
            self.command(words, program),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        agent = Agent(process, words[words.index("--name") + 1] if "--name" in words else "")
        assert process.stdin is not None
        process.stdin.write(stdin)
        process.stdin.close()
        return agent

    @contextmanager
    def running(
        self,
        prompt: str,
        *more: str,
        folder: str = "family",
        main: bool = False,
        name: str = "",
        secrets: Mapping[str, str] | None = None,
    ) -> Iterator[Agent]:
        """Run an agent of a group for the length of a test; end it as NanoClaw does."""
        self.group(folder)
        request = Request(prompt, folder, f"web:{folder}", main, secrets=secrets or {})
        agent = self.start(
            self.arguments(folder, *more, main=main, name=name), request.encode("v1.1")
        )
        try:
            yield agent
        finally:
            if agent.process.poll() is None:
                self.docker("rm", "-f", agent.name)
                agent.wait()

    def tell(self, folder: str, text: str) -> None:
        """Hand a group's agent one more message, as NanoClaw does."""
        path = f"{STATE}/data/ipc/{folder}/input/{time.time_ns()}.json"
        message = json.dumps({"type": "message", "text": text})
        self.put(path, message.encode(), "600", "claw")

    def close(self, folder: str) -> None:
        """Ask a group's agent to end."""
        self.sh(f": > {STATE}/data/ipc/{folder}/input/_close", user="claw")

    def names(self) -> list[str]:
        """Return what NanoClaw sees running."""
        done = self.docker("ps", "--filter", "name=nanoclaw-", "--format", "{{.Names}}")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def journal(self) -> list[dict[str, Any]]:
        """Return the runtime's own log."""
        text = self.sh(f"cat {STATE}/logs/runtime.jsonl")
        return [json.loads(line) for line in text.splitlines()]

    def left(self) -> list[str]:
        """Return the processes of agents and the folders of runs that are still there."""
        found = self.sh(f"ls {ROOT}/runs")
        for agent in AGENTS:
            found += "\n" + self.sh(f"ps -u {agent} -o pid=,args= || true")
        return [line for line in found.splitlines() if line.strip()]


def started(lab: Lab) -> Iterator[RuntimeGuest]:
    """Yield a fresh lab's guest with the runtime installed."""
    host = TartHost.on(lab)
    host.clone("agents")
    with host.running("agents"):
        guest = RuntimeGuest(lab, "agents")
        guest.install()
        yield guest
