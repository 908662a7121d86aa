"""The page in a real browser: nothing runs, nothing is fetched, and it fits on a phone."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clawkeep.overview.sources import Overview
from clawkeep.page.server import HEADERS
from tests.browser import Browser, browser, program
from tests.unit.page.said import overview, poisoned, well
from tests.unit.page.site import served

pytestmark = [
    pytest.mark.usefixtures("project"),
    pytest.mark.skipif(program() is None, reason="no Chromium (Debian: apt-get install chromium)"),
]

POISON = (
    "<script>document.title='owned'</script><img src=//127.0.0.1:9/x onerror=\"document.title"
    "='owned'\"><svg onload=\"document.title='owned'\"></svg></style></title>'\"><b id=owned>"
)
SIZES = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")]


@pytest.fixture
def tab(tmp_path: Path) -> Iterator[Browser]:
    with browser(tmp_path / "profile") as made:
        yield made


def look(tab: Browser, url: str) -> None:
    for width, theme in SIZES:
        tab.looks(width, theme)
        tab.open(f"{url}?still=1")
        tab.wait("document.querySelectorAll('section').length > 10")
        assert tab.value("document.documentElement.scrollWidth") <= width, (width, theme)
        assert tab.value("document.title") == "Clawkeep: nanoclaw-vm"
        ground = tab.value("getComputedStyle(document.documentElement).backgroundColor")
        assert (ground == "rgb(15, 18, 21)") is (theme == "dark")


@pytest.mark.parametrize("poison", ["", POISON], ids=["well", "hostile"])
def test_the_page(tmp_path: Path, tab: Browser, poison: str) -> None:
    data = poisoned(well(), poison) if poison else well()
    with served(tmp_path, lambda _: overview(data, time.time())) as site:
        site.gatherer.read(5)
        tab.open(f"{site.url}?token={site.access.token}")
        tab.wait("document.querySelectorAll('section').length > 10")
        assert tab.value("location.href") == site.url
        look(tab, site.url)
        assert tab.value("document.getElementById('owned') === null") is True
        assert tab.complaints() == []
        allowed = (site.url, "about:blank")
        assert [url for url in tab.requests() if not url.startswith(allowed)] == []
        # Last: the browser counts it as a complaint.
        assert tab.value("document.cookie") == ""


def test_the_policy_stops_a_script_even_if_one_got_in(
    tmp_path: Path, tab: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: with escaping taken away, the browser refuses what it now finds, and says so."""
    monkeypatch.setattr("clawkeep.page.html.text", str)
    trap = socket.create_server(("127.0.0.1", 0))
    data = poisoned(well(), POISON.replace(":9/", f":{trap.getsockname()[1]}/"))
    with trap, served(tmp_path, lambda _: overview(data, time.time())) as site:
        site.gatherer.read(5)
        tab.open(f"{site.url}?token={site.access.token}")
        tab.wait("document.getElementById('owned') !== null")
        assert tab.value("document.title") != "owned"
        assert any("Content Security Policy" in line for line in tab.complaints())
        trap.settimeout(0.5)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_the_hostile_text_would_run_where_nothing_stops_it(
    tmp_path: Path, tab: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other control: without escaping and policy the same text takes the page."""
    monkeypatch.setattr("clawkeep.page.html.text", str)
    monkeypatch.delitem(HEADERS, "Content-Security-Policy")
    data = poisoned(well(), POISON)
    with served(tmp_path, lambda _: overview(data, time.time())) as site:
        site.gatherer.read(5)
        tab.open(f"{site.url}?token={site.access.token}")
        tab.wait("document.title === 'owned'")


def test_the_page_refreshes_itself_without_a_script(tmp_path: Path, tab: Browser) -> None:
    rounds: list[int] = []

    def ask(_: Overview) -> Overview:
        time.sleep(2.5)
        rounds.append(1)
        return overview(well(), time.time())

    with served(tmp_path, ask) as site:
        tab.open(f"{site.url}?token={site.access.token}")
        # First it waits for the first answer, then it is there, by the page's own refreshing.
        tab.wait("document.querySelectorAll('section').length > 10")
        assert rounds == [1]
