"""A scratch prefix, a curl that keeps a list, and `brew` as an ordinary user runs it."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.mac.brew import brewfile, cli
from lab.mac.brew.prefix import populate

FAKE_CURL = """\
#!{python} -S
import os, sys
sys.path.insert(0, {checkout!r})
from urllib.parse import urlsplit
from lab.container_registry import handle, homebrew_api
from lab.mac.brew import bottle
words, down = sys.argv[1:], os.path.exists({down!r})
for before, where, url in zip(words, words[1:], words[2:]):
    if before != "--output":
        continue
    with open({urls!r}, "a") as log:
        print(url, file=log)
    if down:
        print("6", url, "Could not resolve host: lab", sep="\\t")
        continue
    parts = urlsplit(url)
    body = bottle.RELEASE
    if parts.hostname == "ghcr.io":
        body = handle(parts.path, None)[2]
    if parts.hostname == "formulae.brew.sh":
        body = homebrew_api(parts.path, None)[2]
    with open(where, "wb") as file:
        file.write(body)
    print("0", url, "", sep="\\t")
"""
CHECKOUT = Path(__file__).resolve().parents[3]


@dataclass
class Machine:
    """One scratch machine; `brew` returns (status, stdout, stderr)."""

    root: Path
    capture: pytest.CaptureFixture[str]

    def brew(self, *words: str) -> tuple[int, str, str]:
        self.capture.readouterr()
        brewfile._stdin.cache_clear()
        status = cli.main(["brew", *words], root=self.root)
        seen = self.capture.readouterr()
        return status, seen.out, seen.err

    @property
    def prefix(self) -> Path:
        return self.root / "opt/homebrew"

    @property
    def fetched(self) -> list[str]:
        log = self.root / "urls"
        return log.read_text().split() if log.exists() else []

    def network_down(self) -> None:
        (self.root / "down").touch()

    def file(self, text: str) -> str:
        path = self.root / "Brewfile"
        path.write_text(text)
        return f"--file={path}"


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The `mutates` flag of every recorded call."""
    seen: list[bool] = []

    def record(_argv: list[str], *, mutates: bool) -> None:
        seen.append(mutates)

    monkeypatch.setattr(cli, "record", record)
    return seen


@pytest.fixture
def bottles(tmp_path: Path) -> Path:
    """A cache in which node@22 and node@24 exist and nothing else does."""
    cache = tmp_path / "bottles"
    for name in ("node@22", "node@24"):
        (cache / name / "bin").mkdir(parents=True)
        (cache / name / "bin/node").touch()
    return cache


@pytest.fixture
def machine_with(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bottles: Path,
) -> Callable[..., Machine]:
    """Make a machine whose image came with some formulae."""
    root = tmp_path / "root"
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    for name in list(os.environ):
        if name.startswith(("HOMEBREW_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HOMEBREW_NO_AUTO_UPDATE", "1")
    monkeypatch.setattr(cli, "running_as_root", lambda: False)
    sources = {"linux": tmp_path / "usr", "bottle": bottles, "python": Path(sys.base_prefix)}
    for program in ("bin/jq", "bin/socat", "bin/git", "sbin/dnsmasq"):
        (sources["linux"] / program).parent.mkdir(parents=True, exist_ok=True)
        (sources["linux"] / program).touch()
    monkeypatch.setattr("lab.mac.brew.prefix.LINUX", sources["linux"])
    monkeypatch.setattr("lab.mac.brew.cli.LAB_SOURCES", sources)

    def make(*formulae: str) -> Machine:
        populate(root, os.getuid(), os.getgid(), list(formulae), bottles=bottles)
        curl = root / "usr/bin/curl"
        curl.parent.mkdir(parents=True)
        curl.write_text(
            FAKE_CURL.format(
                python=sys.executable,
                checkout=str(CHECKOUT),
                urls=str(root / "urls"),
                down=str(root / "down"),
            )
        )
        curl.chmod(0o755)
        return Machine(root, capsys)

    return make


@pytest.fixture
def machine(machine_with: Callable[..., Machine]) -> Machine:
    """Make a machine with Homebrew and no formula."""
    return machine_with()
