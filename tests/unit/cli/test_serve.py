"""`clawkeep serve` and `clawkeep metrics` as processes: how they begin, and how they end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clawkeep import cli
from clawkeep.cli import serve
from tests.unit.metrics.exposition import parse

RUN = [sys.executable, "-c", "import sys; from clawkeep.cli import main; sys.exit(main())"]


@pytest.fixture
def state(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host that nobody reaches: nothing listens on a port that is taken and not listened on."""
    monkeypatch.setenv("CLAWKEEP_STATE", str(tmp_path / "state"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("CLAWKEEP_HOST", f"nobody@127.0.0.1:{taken.getsockname()[1]}")
        yield tmp_path / "state"


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with subprocess.Popen(
        [*RUN, "serve", "--port", "0", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_it_serves_until_ctrl_c_and_ends_with_130(state: Path) -> None:
    with serving() as (process, address):
        assert "Go on to the page" in urllib.request.urlopen(address, timeout=10).read().decode()
        token = next(state.rglob("metrics-token")).read_text().strip()
        metrics = urllib.request.Request(
            f"{address.partition('/?')[0].rpartition('/')[0]}/metrics",
            headers={"Authorization": f"Bearer {token}"},
        )
        text = urllib.request.urlopen(metrics, timeout=30).read().decode()
        assert parse(text)["clawkeep_up"].samples == {frozenset(): 0}
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] == "interrupted"


def test_the_addresses_secret_is_its_owners_and_can_be_replaced(state: Path) -> None:
    with serving() as (_, address):
        assert address.startswith("http://127.0.0.1:")
        token = address.partition("token=")[2]
        assert len(token) > 40
        assert {path.stat().st_mode & 0o777 for path in state.rglob("*-token")} == {0o600}
    with serving("--new-token") as (_, other):
        assert other.partition("token=")[2] != token


def test_a_taken_port_is_a_clear_error(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["serve", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert f"127.0.0.1:{port}: Address already in use; another port is taken with --port" in error


@pytest.mark.parametrize("words", [["--interval", "1"], ["--port", "70000"]])
def test_what_makes_no_sense_is_2(
    state: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", *words]) == 2
    assert "--interval is at least 5" in capsys.readouterr().err


def test_the_browser_gets_a_file_of_ours_not_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)  # type: ignore[func-returns-value]
    serve._open("http://127.0.0.1:1/x/?token=secret", tmp_path / "page.html")
    assert opened == [(tmp_path / "page.html").as_uri()]
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600
    assert 'content="0; url=http://127.0.0.1:1/x/?token=secret"' in (
        (tmp_path / "page.html").read_text()
    )


def test_metrics_of_a_host_that_is_away_say_so_and_are_written_whole(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clawkeep.prom"
    path.write_text("old")
    assert cli.main(["metrics", "--output", str(path)]) == 1
    assert "the host does not answer" in capsys.readouterr().err
    assert parse(path.read_text())["clawkeep_up"].samples == {frozenset(): 0}
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir() if ".new" in one.name] == []


@pytest.mark.parametrize("name", ["clawkeep.txt", "no/clawkeep.prom"])
def test_a_file_that_nobody_would_collect_is_refused(
    state: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["metrics", "--output", str(tmp_path / name)]) == 2
    assert "expected FILE.prom in a folder that exists" in capsys.readouterr().err


def test_a_watch_takes_the_terminal_and_gives_it_back(state: Path) -> None:
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*RUN, "status", "--watch", "2"], stdin=theirs, stdout=theirs, stderr=theirs,
        env={**os.environ, "TERM": "xterm"}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    text, end = b"", time.monotonic() + 30
    while b"cannot tell" not in text and time.monotonic() < end:
        text += os.read(ours, 65536)
    assert b"\x1b[?1049h" in text
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    text = b""
    while b"interrupted" not in text:
        text += os.read(ours, 65536)
    assert b"\x1b[?1049l" in text
    os.close(ours)


def test_without_a_terminal_a_watch_prints_blocks(state: Path) -> None:
    with subprocess.Popen(
        [*RUN, "status", "--watch", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert first.startswith("--- ")
    assert "cannot tell: 127.0.0.1" in first
    assert second.startswith("--- ")
    assert "\x1b" not in first


def test_a_watch_is_not_for_every_moment(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["status", "--watch", "0"])
    assert "expected whole seconds, at least 2" in capsys.readouterr().err
