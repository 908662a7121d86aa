"""The status page and the metrics of a keep that is really there, and then is not."""

from __future__ import annotations

import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from tests.lab.keep import BIN, Built
from tests.unit.metrics.exposition import parse
from tests.unit.page.reader import Page

pytestmark = pytest.mark.lab

ALWAYS = ("status", "bridges", "day", "denied", "canary", "alerts", "grants", "events")


@contextmanager
def serving(keep: Built) -> Iterator[str]:
    with subprocess.Popen(
        [str(BIN / "clawkeep"), "serve", "--port", "0", "--interval", "5"],
        cwd=keep.project, env=keep.variables(), stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.mark.slow
def test_what_is_shown_is_what_is_so(keep: Built, tmp_path: Path) -> None:
    done = keep.clawkeep("metrics")
    assert done.returncode == 0, done.stderr
    found = parse(done.stdout)
    up = {dict(labels)["source"]: v for labels, v in found["clawkeep_source_up"].samples.items()}
    assert {name: up[name] for name in ALWAYS} == dict.fromkeys(ALWAYS, 1)
    doors = [dict(labels) for labels, v in found["clawkeep_door"].samples.items() if v]
    assert {door["state"] for door in doors} == {"well"}
    assert len(doors) == 4

    reader = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with serving(keep) as address:
        reader.open(address, timeout=10)

        def page(part: str, timeout_s: float) -> Page:
            end = time.monotonic() + timeout_s
            while True:
                text = reader.open(address.partition("?")[0], timeout=10).read().decode()
                (tmp_path / "page.html").write_text(text)
                if part in (seen := Page(text)).text():
                    return seen
                assert time.monotonic() < end, seen.text()
                time.sleep(0.5)

        seen = page("As of ", 20)
        assert "4 open" in seen.text("doors")
        assert "in force, guard open" in seen.text("machines")
        assert "not known" not in seen.text()
        (tmp_path / "page.html").rename(tmp_path / "well.html")
        keep.lab.power_off()
        seen = page("The host does not answer", 60)
        assert "All is well" not in seen.text()
        assert "home-assistant" in seen.text("doors")
        assert "Old: of " in seen.text("doors")
