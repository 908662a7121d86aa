"""What the tools print, and what is none of theirs."""

from __future__ import annotations

import json

import pytest

from clawkeep.updates import parse
from clawkeep.updates.parse import UnreadableError

OUTDATED = {
    "formulae": [
        {
            "name": "jq",
            "installed_versions": ["1.7.1", "1.8.1"],
            "current_version": "1.8.2",
            "pinned": False,
            "pinned_version": None,
        },
        {
            "name": "steipete/tap/remindctl",
            "installed_versions": ["0.3.4"],
            "current_version": "0.4.0",
            "pinned": False,
            "pinned_version": None,
        },
        {
            "name": "node@22",
            "installed_versions": ["22.21.0"],
            "current_version": "22.22.0_1",
            "pinned": True,
            "pinned_version": "22.21.0",
        },
    ],
    "casks": [{"name": "firefox", "installed_versions": ["122.0"], "current_version": "123.0"}],
}
INSTALLERS = """\
Finding available software
Software Update found the following full installers:
* Title: macOS Tahoe, Version: 26.1, Size: 17012345KiB, Build: 25B78, Deferred: NO
* Title: macOS Sequoia, Version: 15.7.2, Size: 15283299KiB, Build: 24G325, Deferred: NO
* Title: macOS Sequoia, Version: 15.7, Size: 15283299KiB, Build: 24G222, Deferred: NO
* Title: macOS Sonoma, Version: 14.8.2, Size: 13330277KiB, Build: 23J126, Deferred: NO
"""
TAGS = """\
57caffb4a0e3b29a4b21ff7d7d4d7f7e7d7c7b7a\trefs/tags/v1.1.6
1111111111111111111111111111111111111111\trefs/tags/v1.2.0
2222222222222222222222222222222222222222\trefs/tags/v1.2.0^{}
3333333333333333333333333333333333333333\trefs/tags/v1.2.60
4444444444444444444444444444444444444444\trefs/tags/v2.0.64
5555555555555555555555555555555555555555\trefs/tags/nightly
"""


def test_outdated_formulas() -> None:
    jq, remindctl, node = parse.brew_outdated(json.dumps(OUTDATED))
    assert (jq.ref, jq.installed, jq.available, jq.step) == ("brew:jq", "1.8.1", "1.8.2", "patch")
    assert (remindctl.name, remindctl.major) == ("steipete/tap/remindctl", True)
    assert (node.step, node.pin != "", "brew unpin node@22" in node.how) == ("minor", True, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Error: Cannot download non-corrupt https://formulae.brew.sh/api",
        "[]",
        '{"formulae": {}}',
        '{"formulae": [{"name": "jq"}]}',
        '{"formulae": [{"name": "jq", "installed_versions": [], "current_version": "1"}]}',
        '{"formulae": [{"name": "-rf", "installed_versions": ["1"], "current_version": "2"}]}',
        '{"formulae": [{"name": "a;id", "installed_versions": ["1"], "current_version": "2"}]}',
        '{"formulae": [{"name": "a", "installed_versions": ["1"], "current_version": "$(id)"}]}',
    ],
)
def test_what_is_no_answer_of_brew(text: str) -> None:
    with pytest.raises(UnreadableError):
        parse.brew_outdated(text)


def test_full_installers() -> None:
    offered = parse.full_installers(INSTALLERS)
    found = parse.macos("15.7.1", offered, "by hand")
    assert [(u.available, u.step) for u in found] == [("15.7.2", "patch"), ("26.1", "major")]
    # What runs may be newer than what Apple offers in full.
    assert [u.available for u in parse.macos("15.7.3", offered, "by hand")] == ["26.1"]
    assert parse.macos("26.1", offered, "by hand") == ()


def test_an_apple_that_offers_nothing_and_one_that_is_not_reached() -> None:
    head = "Finding available software\nSoftware Update found the following full installers:\n"
    assert parse.full_installers(head) == []
    with pytest.raises(UnreadableError, match="Installation failed"):
        parse.full_installers("Finding available software\nInstallation failed: no network\n")


def test_tags() -> None:
    found = parse.tags(TAGS)
    assert found["v1.2.0"] == "2" * 40
    assert "nightly" not in found
    assert parse.newer_tags("1.2.52", found) == ["v1.2.60", "v2.0.64"]
    assert parse.newer_tags("v2.0.64", found) == []
    with pytest.raises(UnreadableError, match="could not resolve"):
        parse.tags("fatal: could not resolve host")


def test_registries() -> None:
    assert parse.npm_view("2.1.330\n") == "2.1.330"
    warning = "WARNING: pip index is currently an experimental command. It may be removed.\n"
    answer = "edge-tts (7.3.1)\nAvailable versions: 7.3.1, 7.3.0\n"
    assert parse.pip_index(warning + answer) == "7.3.1"
    for wrong in ("", "npm error code E404\nnpm error 404", "ERROR: No matching distribution"):
        with pytest.raises(UnreadableError):
            parse.npm_view(wrong)
        with pytest.raises(UnreadableError):
            parse.pip_index(wrong)


def test_digests() -> None:
    assert parse.digest(f"ghcr.io/a/b@sha256:{'a' * 64}\n") == "a" * 64
    assert parse.digest(f"{'b' * 64}  -\n") == "b" * 64
    with pytest.raises(UnreadableError):
        parse.digest("curl: (22) The requested URL returned error: 404")
