"""`clawkeep cache`: what it shows and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clawkeep import cli, declared
from clawkeep.cache import host
from clawkeep.cli import cache
from clawkeep.model import Keep
from clawkeep.remote import Outcome
from clawkeep.transport import TransportError

ITEM = {
    "kind": "formula",
    "name": "jq",
    "version": "1.8.1",
    "sha256": "a" * 64,
    "size": 2_000_000,
    "place": "homebrew/jq",
    "said_by": "brew",
    "wants": ["formula jq (arm64_sequoia)"],
    "wanted": True,
    "damage": "",
}
LACKING = {"kind": "npm", "name": "x@1", "key": "npm x@1 (node@22)", "used_by": "skills.x"}


class Host:
    """A host that answers verbs with what the test says; it notes what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Outcome] = {}
        self.asked: list[tuple[str, ...]] = []

    def report(self, *items: dict[str, Any], lacking: tuple[dict[str, str], ...] = ()) -> None:
        data = {"size": 2_000_000, "items": items, "lacking": lacking}
        for verb in ("list", "verify"):
            self.answers[verb] = Outcome(0, json.dumps(data), "")

    def run(self, _session: object, _plan: object, *words: str, **_: object) -> Outcome:
        self.asked.append(words)
        return self.answers[words[0]]


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host()
    monkeypatch.setenv("CLAWKEEP_HOST", "@local")
    monkeypatch.setattr(declared, "keep", Keep)
    monkeypatch.setattr(host, "run", made.run)
    return made


def test_a_whole_cache_is_shown_with_sizes_and_hashes(
    mac: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    mac.report(ITEM)
    assert cli.main(["cache", "list"]) == 0
    seen = capsys.readouterr()
    assert seen.out.split() == ["formula", "jq", "1.8.1", "2.0", "MB", "a" * 12, "by", "brew"]
    assert seen.err == "1 files, 2.0 MB; everything declared is there\n"


def test_what_is_lacking_is_named_with_who_wants_it_and_the_command(
    mac: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    mac.report(ITEM, lacking=(LACKING,))
    assert cli.main(["cache", "list"]) == 1
    seen = capsys.readouterr()
    assert "lacking, used by skills.x" in seen.out
    assert "1 npm packages lacking: clawkeep cache fill" in seen.err


def test_damage_is_bad_where_the_file_is_wanted(
    mac: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    mac.report({**ITEM, "damage": "has 3 bytes, expected 4"})
    assert cli.main(["cache", "verify"]) == 1
    assert "damaged: has 3 bytes, expected 4" in capsys.readouterr().out
    mac.report({**ITEM, "damage": "has 3 bytes, expected 4", "wanted": False})
    assert cli.main(["cache", "verify"]) == 0


def test_a_fill_that_fails_says_why_and_what_there_is(
    mac: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    mac.report(ITEM, lacking=(LACKING,))
    mac.answers["fill"] = Outcome(1, "", "npm packages: `npm install` ended with 1\n\x1b[31mred")
    assert cli.main(["cache", "fill", "--json"]) == 1
    seen = capsys.readouterr()
    assert json.loads(seen.out)["lacking"] == [LACKING]
    assert "npm packages: `npm install` ended with 1\n?[31mred" in seen.err
    assert mac.asked == [("fill",), ("list",)]


def test_refresh_reaches_the_host_and_belongs_to_fill(
    mac: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    mac.report(ITEM)
    mac.answers["fill"] = Outcome(0, "", "")
    assert cli.main(["cache", "fill", "--refresh"]) == 0
    assert mac.asked[0] == ("fill", "--refresh")
    assert cli.main(["cache", "list", "--refresh"]) == 2
    assert "--refresh belongs to fill" in capsys.readouterr().err


def test_an_answer_that_is_none_is_unknown(mac: Host) -> None:
    mac.answers["list"] = Outcome(2, "", "OSError")
    assert cli.main(["cache", "list"]) == 2
    with pytest.raises(TransportError):
        host.report(Outcome(0, '{"items": []}', ""))


def test_an_image_of_no_known_macos_is_refused(
    mac: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Keep.model_validate({"guest": {"image": "ghcr.io/me/own"}})
    monkeypatch.setattr(declared, "keep", lambda: own)
    assert cli.main(["cache", "list"]) == 2
    assert "does not say which macOS it holds" in capsys.readouterr().err


def test_the_table_shows_what_is_wanted_no_more_and_what_nobody_vouches_for() -> None:
    old, own = {**ITEM, "wanted": False}, {**ITEM, "said_by": "recorded"}
    lines = cache.lines({"items": [old, own], "lacking": []})
    assert lines[0].endswith("wanted no more")
    assert lines[1].endswith("hash recorded at the fill")
