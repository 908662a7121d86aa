"""Values are planted, pyinfra runs with everything that makes it talk, and nobody sees them.

The real command line on this machine, the real program on the other end of a pipe. What it prints,
what it leaves on disk and every command line of every process meanwhile is searched.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
DIGEST = re.compile(r"[0-9a-f]{64}")

INVENTORY = 'hosts = ["@local"]\n'
DEPLOY = """
import sys
sys.path.insert(0, {checkout!r})
from pyinfra.operations import server
from clawkeep.nanoclaw.env import Key, place
from clawkeep.secrets import parse
from roles.agent import secrets as agent

agent.STATE = {state!r}
KEYS = [Key("ASSISTANT_NAME", ".env"), Key("TOKEN", ".env", secret=True),
        Key("API", "credentials", secret=True)]
found = agent.resolved({{"TOKEN": parse("env:PLANTED"), "API": parse("sealed:api")}})
placement = place({{"ASSISTANT_NAME": "Andy", **found}}, KEYS)
agent.placed(name="Guest | secrets", user={user!r}, files=agent.agent_files(placement))
{more}
"""
# Polling /proc may miss a short life; what runs in the guest's stead is noted by its `sudo`.
SUDO = """#!/bin/sh
echo "sudo $*" >> "{log}"
while [ $# -gt 0 ]; do
  case $1 in -u) shift 2 ;; -*) shift ;; *) break ;; esac
done
exec "$@"
"""


@dataclass
class Site:
    """A project whose guest is this machine."""

    folder: Path
    environment: dict[str, str]
    command_lines: set[bytes] = field(default_factory=set)
    # Other tests, and their processes, run at the same time: each plants its own.
    token: str = field(default_factory=lambda: f"planted-token-{secrets.token_hex(6)}")
    sealed: str = field(default_factory=lambda: f"planted-sealed-{secrets.token_hex(6)}")

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def deploy(self, *, more: str = "", state: Path | None = None, user: str = "") -> None:
        text = DEPLOY.format(
            checkout=str(CHECKOUT),
            state=str(state or self.state),
            user=user or getpass.getuser(),
            more=more,
        )
        (self.folder / "deploy.py").write_text(text)

    def pyinfra(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run pyinfra and note every command line of every process until it ends."""
        running = subprocess.Popen(
            [str(BIN / "pyinfra"), "inventory.py", "deploy.py", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(over,))
        watch.start()
        try:
            out, err = running.communicate(timeout=120)
        finally:
            over.set()
            watch.join()
        return subprocess.CompletedProcess(words, running.returncode, out, err)

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(0.02):
            for process in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.command_lines.add(process.read_bytes())
                except OSError:
                    continue

    def left(self) -> Iterator[tuple[Path, bytes]]:
        """Return every file of the project but those that are to hold the secrets."""
        for path in self.folder.rglob("*"):
            if path.is_file() and path.parent != self.state:
                yield path, path.read_bytes()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "sudo").write_text(SUDO.format(log=tmp_path / "sudo.log"))
    (bin_folder / "sudo").chmod(0o755)
    (tmp_path / "state").mkdir(mode=0o711)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "inventory.py").write_text(INVENTORY)
    (tmp_path / "sudo.log").touch()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CLAWKEEP_")} | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "CLAWKEEP_PROJECT": str(tmp_path),
        "CLAWKEEP_SEALING_KEY_FILE": str(tmp_path / "key"),
        "PYINFRA_PROGRESS": "off",
        "TMPDIR": str(tmp_path / "tmp"),
    }
    site = Site(tmp_path, environment)
    environment["PLANTED"] = site.token
    seal = [str(BIN / "clawkeep"), "secrets", "seal", "api"]
    subprocess.run(
        seal, input=site.sealed, env=environment, text=True, check=True, capture_output=True
    )
    site.deploy()
    return site


def hidden_from(site: Site, done: subprocess.CompletedProcess[str], *more: str) -> None:
    """Assert that no secret is in what was said, left or stood on a command line."""
    assert len(done.stderr) > 100
    for secret in (site.token, site.sealed, *more):
        assert secret not in done.stdout
        assert secret not in done.stderr
        assert not [path for path, content in site.left() if secret.encode() in content]
        assert not [line for line in site.command_lines if secret.encode() in line]
    assert any(b"pyinfra" in line for line in site.command_lines)
    # The keyed hashes of the comparison and their key: 64 digits.
    assert not DIGEST.search(done.stdout + done.stderr)
    assert not DIGEST.search((site.folder / "sudo.log").read_text())


ALL = ["-vvv", "--debug", "--diff"]


@pytest.mark.parametrize("words", [["-v"], ["-vv"], ALL, ["-vvv", "--json"]], ids=" ".join)
def test_a_run_places_them_and_shows_them_to_nobody(site: Site, words: list[str]) -> None:
    done = site.pyinfra("-y", *words)
    assert done.returncode == 0, done.stderr
    assert (site.state / ".env").read_text() == f"ASSISTANT_NAME=Andy\nTOKEN={site.token}\n"
    assert (site.state / "credentials").read_text() == f'{{"API": "{site.sealed}"}}\n'
    assert f"{site.state}/.env: missing" in done.stderr
    assert "/usr/bin/python3 -I -c" in (site.folder / "sudo.log").read_text()
    # pyinfra shows what a fact is given, its stdin too.
    assert "_stdin=<unseen>" in done.stderr
    hidden_from(site, done)


def test_a_second_run_changes_nothing_and_shows_them_to_nobody(site: Site) -> None:
    site.pyinfra("-y")
    before = (site.state / ".env").stat()
    done = site.pyinfra("-y", *ALL)
    assert "3 files are as declared" in done.stderr
    after = (site.state / ".env").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    hidden_from(site, done)


@pytest.mark.parametrize("words", [ALL, ["-vvv", "--json"], ["--debug-operations"]], ids=" ".join)
def test_a_plan_shows_them_to_nobody_and_writes_nothing(site: Site, words: list[str]) -> None:
    done = site.pyinfra("--dry", *words)
    assert done.returncode == 0, done.stderr
    assert not list(site.state.iterdir())
    hidden_from(site, done)


def test_a_changed_value_shows_neither_the_old_one_nor_the_new(site: Site) -> None:
    site.pyinfra("-y")
    site.environment["PLANTED"] = "planted-new-value-e2"
    done = site.pyinfra("-y", *ALL)
    assert f"{site.state}/.env: content" in done.stderr
    assert f"{site.state}/credentials" not in done.stderr
    assert "planted-new-value-e2" in (site.state / ".env").read_text()
    hidden_from(site, done, "planted-new-value-e2")


@pytest.mark.parametrize("failure", ["a folder is missing", "a folder is in the way", "exception"])
def test_a_failure_shows_them_to_nobody(site: Site, failure: str) -> None:
    if failure == "a folder is missing":
        site.deploy(state=site.folder / "none")
    elif failure == "a folder is in the way":
        (site.state / ".env").mkdir()
    else:
        site.deploy(
            more='raise RuntimeError(f"{found} {placement} {agent.agent_files(placement)}")'
        )
    done = site.pyinfra("-y", *ALL)
    assert done.returncode != 0
    hidden_from(site, done)


def test_a_user_who_is_not_there_ends_a_run_and_not_a_plan(site: Site) -> None:
    site.deploy(user="no-such-user")
    assert site.pyinfra("--dry", "-vvv").returncode == 0
    done = site.pyinfra("-y", "-vvv", "--debug")
    assert done.returncode != 0
    hidden_from(site, done)


def test_a_secret_that_cannot_be_had_is_one_line_and_changes_nothing(site: Site) -> None:
    del site.environment["PLANTED"]
    done = site.pyinfra("-y", "-vvv")
    assert done.returncode != 0
    assert "TOKEN (env:PLANTED): the variable is not set; set it" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(site.state.iterdir())
    hidden_from(site, done)


def test_the_search_finds_a_value_that_is_shown(site: Site) -> None:
    site.deploy(more=f'server.shell(commands=["sleep 0.3; echo {site.token}"])')
    done = site.pyinfra("-y", "-vvv")
    assert site.token in done.stderr
    assert any(site.token.encode() in line for line in site.command_lines)
    assert any(site.token.encode() in content for _, content in site.left())
