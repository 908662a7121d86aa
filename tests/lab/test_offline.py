"""A guest that is built while there is no internet, from what the host has kept."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.lab import Lab
from tests.lab.keep import BIN, GUEST, Built, project

pytestmark = [pytest.mark.lab, pytest.mark.slow]

MODEL = b"lmgg" + bytes(range(256)) * 2048
DIGEST = hashlib.sha256(MODEL).hexdigest()
IMAGE = "ghcr.io/cirruslabs/macos-sequoia-base"
TOOLS = {
    "packages": ["jq", "python@3.13"],
    "tapped": ["steipete/tap/remindctl"],
    "pip_tools": ["edge-tts==7.3.1"],
    "mounts": [],
}
SKILLS = {
    "whisper": {"model": "~/models/tiny.bin", "sha256": DIGEST},
    "agent_clis": {"gemini": "0.61.0"},
}
FROM = "\nskills = {skills!r}\ndecisions |= {{'install_from': {source!r}}}\n"
INSTALLED = [
    "/opt/homebrew/bin/python3.13",
    "/opt/homebrew/bin/remindctl",
    "/opt/homebrew/bin/whisper-cli",
    "/opt/homebrew/Cellar/ggml/0.9.4/INSTALL_RECEIPT.json",
    "/opt/homebrew/bin/edge-tts",
    "/opt/homebrew/bin/gemini",
    f"/opt/homebrew/var/clawkeep/models/{DIGEST}",
]
STORE = "/opt/clawkeep/cache"


class Offline:
    """A keep whose guest is not there yet, and its cache."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.built = Built(lab, project(folder, TOOLS))
        self.file = self.built.project / "group_data" / "all.py"
        self.without = self.file.read_text()
        owner = lab.facts["user"]
        self.built.host(f"cd /Users/{owner}; mkdir -p models; chown {owner} models")
        self.model = Path(f"/proc/{lab.facts['host_pid']}/root/Users/{owner}/models/tiny.bin")
        self.model.write_bytes(MODEL)

    def declare(self, source: str) -> None:
        self.file.write_text(self.without + FROM.format(skills=SKILLS, source=source))

    def cache(self, do: str, *words: str) -> tuple[int, dict[str, Any], str]:
        """Return the exit status of `clawkeep cache DO --json`, what it found and what it said."""
        done = self.built.clawkeep("cache", do, "--json", *words)
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def item(self, name: str) -> dict[str, Any]:
        """Return the first item of that name."""
        _, report, _ = self.cache("list")
        return next(item for item in report["items"] if item["name"] == name)

    def there(self) -> list[str]:
        """Return what of all that is declared is in the guest."""
        done = self.built.guest(f"for p in {' '.join(INSTALLED)}; do [ -e $p ] && echo $p; done")
        return done.stdout.split()

    def fetches(self) -> list[dict[str, Any]]:
        """Return every call of `brew fetch`."""
        return [call for call in self.built.lab.calls() if call["argv"][1:2] == ["fetch"]]

    def fails(self) -> str:
        done = self.built.pyinfra("-y")
        assert done.returncode != 0, done.stderr[-3000:]
        return done.stderr + done.stdout

    def windows(self) -> list[str]:
        """Return every opening of the provisioning window that is on record."""
        events = self.built.host("cat /opt/clawkeep/var/events.jsonl").stdout.splitlines()
        return [line for line in events if "window" in line]

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Take the lab's internet away."""
        wall = "table inet cut { chain on { type filter hook forward priority -9; %s; }; }"
        self.built.lab.exec("lan", ["nft", wall % 'oifname "wan0" counter reject'])
        try:
            yield
        finally:
            self.built.lab.exec("lan", ["nft", "delete table inet cut"])


@pytest.fixture(scope="module")
def offline(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Offline:
    return Offline(lab, tmp_path_factory.mktemp("offline"))


def test_an_empty_cache_ends_the_run_before_there_is_a_guest(offline: Offline) -> None:
    offline.declare("cache")
    said = offline.fails()
    assert "decisions.install_from is 'cache', and the cache lacks" in said
    assert "run clawkeep cache fill" in said
    assert GUEST not in offline.built.host("/opt/homebrew/bin/tart list").stdout


@pytest.mark.parametrize("kept", [0, 4, 16])
def test_a_fill_that_is_killed_leaves_no_half_item(offline: Offline, kept: int) -> None:
    built, fetches = offline.built, len(offline.fetches())
    items = Path(f"/proc/{built.lab.facts['host_pid']}/root{STORE}/sha256")
    with subprocess.Popen(
        [str(BIN / "clawkeep"), "cache", "fill"],
        cwd=built.project,
        env=built.variables(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as fill:
        deadline = time.monotonic() + 60
        while len(offline.fetches()) == fetches or len(list(items.glob("*"))) < kept:
            assert fill.poll() is None, fill.stderr.read() if fill.stderr else ""
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert built.host("pkill -9 -f '/bin/clawkeep cache'").returncode == 0
        assert fill.wait(timeout=60) != 0
    named = built.host(f"cd {STORE}/sha256 2>/dev/null && shasum -a 256 -- *").stdout.split()
    assert named[::2] == named[1::2]


def test_a_fill_brings_what_is_declared_by_the_hashes_of_those_who_made_it(
    offline: Offline,
) -> None:
    status, report, said = offline.cache("fill")
    assert (status, report["lacking"]) == (0, []), said
    by = {(item["kind"], item["said_by"]) for item in report["items"]}
    assert {("formula", "brew"), ("npm", "npm"), ("pip", "pip"), ("model", "declaration")} <= by
    names = {item["name"] for item in report["items"]}
    assert {"whisper-cpp", "ggml", "steipete/tap/remindctl", "edge-tts", "aiohttp"} <= names
    shown = offline.built.host(f"stat -f '%Su %Lp' {STORE} {STORE}/sha256 {STORE}/sha256/*").stdout
    assert set(shown.split("\n")) == {"root 755", "root 644", ""}
    assert {call["user"] for call in offline.fetches()} == {offline.built.lab.facts["user"]}
    # Of the fills that were killed nothing is left.
    assert offline.built.host(f"ls -A {STORE}").stdout.split() == ["index.json", "sha256"]


def test_without_the_cache_the_same_guest_cannot_be_built(offline: Offline) -> None:
    pulled = offline.built.lab.exec("host", ["/opt/homebrew/bin/tart", "pull", IMAGE],
                                    user=offline.built.lab.facts["user"])  # fmt: skip
    assert pulled.returncode == 0, pulled.stderr
    offline.declare("internet")
    with offline.cut():
        said = offline.fails()
    assert "github.com/steipete/homebrew-tap/': The requested URL returned error: 503" in said
    assert offline.windows() != []
    assert offline.there() == []


def flip(offline: Offline, sha256: str) -> None:
    """Change one byte in the middle of a file of the cache, as a disk does."""
    host = offline.built.lab.facts["host_pid"]
    path = Path(f"/proc/{host}/root{STORE}/sha256/{sha256}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_flipped_byte_is_named_and_nothing_is_installed(offline: Offline) -> None:
    offline.declare("cache")
    flip(offline, offline.item("python@3.13")["sha256"])
    # Its size is right: only who reads it sees it.
    assert offline.cache("list")[0] == 0
    status, report, _ = offline.cache("verify")
    damaged = [item["name"] for item in report["items"] if item["damage"]]
    assert (status, damaged) == (1, ["python@3.13"])
    with offline.cut():
        said = offline.fails()
    assert "formula python@3.13 3.13.9: its file in the cache is damaged" in said, said[-3000:]
    assert offline.there() == []
    status, _, said = offline.cache("fill")
    assert status == 0, said
    assert offline.cache("verify")[0] == 0


def test_the_guest_is_built_from_the_cache_alone(offline: Offline) -> None:
    windows, visits = offline.windows(), len(offline.built.lab.visits())
    with offline.cut():
        said = offline.built.converge()
    assert offline.there() == INSTALLED, said[-4000:]
    assert offline.windows() == windows
    assert offline.built.lab.visits()[visits:] == []
    ran = offline.built.guest(
        "/opt/homebrew/bin/edge-tts --version; PATH=/opt/homebrew/opt/node@22/bin:$PATH "
        "/opt/homebrew/bin/gemini --version"
    ).stdout
    assert "edge-tts 7.3.1" in ran
    assert "0.61.0" in ran
    tap = "/opt/homebrew/Library/Taps/steipete/homebrew-tap"
    remote = offline.built.guest(f"sudo -u admin git -C {tap} remote get-url origin").stdout
    assert remote == "https://github.com/steipete/homebrew-tap\n"
    left = offline.built.guest("ls -d /opt/homebrew/var/clawkeep/*cached*").stdout
    assert left == ""


def test_the_guest_cannot_change_the_cache(offline: Offline) -> None:
    share = "/Volumes/My Shared Files/clawkeep-cache"
    done = offline.built.guest(f"ls '{share}/sha256' | wc -l; echo x > '{share}/sha256/x'")
    assert int(done.stdout) > 10
    assert "Read-only file system" in done.stderr


def test_a_second_run_installs_nothing_and_asks_nobody(offline: Offline) -> None:
    calls, windows = len(offline.built.lab.calls()), offline.windows()
    with offline.cut():
        offline.built.converge()
    assert offline.built.mutations(calls) == []
    assert offline.windows() == windows


def test_what_is_declared_no_more_is_pruned(offline: Offline) -> None:
    offline.file.write_text(offline.without + FROM.format(skills={}, source="cache"))
    status, report, _ = offline.cache("list")
    assert status == 0
    assert any(not item["wanted"] for item in report["items"])
    status, pruned, _ = offline.cache("prune")
    assert (status, "model ~/models/tiny.bin" in pruned["gone"]) == (0, True)
    status, report, _ = offline.cache("verify")
    assert status == 0
    assert {item["kind"] for item in report["items"]} == {"formula", "pip"}
    left = offline.built.host(f"ls {STORE}/sha256 | wc -l").stdout
    assert int(left) == len({item["sha256"] for item in report["items"]})
