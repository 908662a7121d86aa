"""Homebrew's cache as the stand-in has it.

Source: Homebrew/brew Library/Homebrew/bottle.rb, api.rb, download_strategy/ (6.0.18).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Machine


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("HOMEBREW_CACHE", str(folder))
    return folder


def blob(cache: Path, name: str) -> Path:
    (found,) = cache.glob(f"downloads/*--{name}--*.bottle.tar.gz")
    return found


def test_what_was_fetched_is_poured_without_a_network(machine: Machine, cache: Path) -> None:
    assert machine.brew("fetch", "--formula", "--bottle-tag=arm64_sequoia", "jq")[0] == 0
    machine.network_down()
    before = machine.fetched
    assert machine.brew("install", "jq")[0] == 0
    assert machine.fetched == before


def test_fetching_pours_nothing(machine: Machine, cache: Path) -> None:
    machine.brew("fetch", "jq")
    assert machine.brew("list") == (0, "", "")


def test_without_the_apis_file_there_is_nothing_without_a_network(
    machine: Machine, cache: Path
) -> None:
    machine.brew("fetch", "jq")
    (cache / "api/internal/packages.arm64_sequoia.jws.json").unlink()
    machine.network_down()
    status, _, err = machine.brew("install", "jq")
    assert status == 1
    assert "packages.arm64_sequoia.jws.json" in err


def test_an_api_file_with_a_wrong_signature_is_refused_and_removed(
    machine: Machine, cache: Path
) -> None:
    machine.brew("fetch", "jq")
    file = cache / "api/internal/packages.arm64_sequoia.jws.json"
    file.write_text(file.read_text().replace("1.8.1", "1.8.2"))
    status, _, err = machine.brew("install", "jq")
    assert (status, file.exists()) == (1, False)
    assert "Failed to verify integrity" in err


def test_a_bottle_that_can_be_extracted_is_not_hashed_again(machine: Machine, cache: Path) -> None:
    machine.brew("fetch", "jq", "socat")
    blob(cache, "jq").write_bytes(blob(cache, "socat").read_bytes())
    machine.network_down()
    assert machine.brew("install", "jq")[0] == 0


def test_a_bottle_that_cannot_be_extracted_is_removed_and_fetched_again(
    machine: Machine, cache: Path
) -> None:
    machine.brew("fetch", "jq")
    damaged = blob(cache, "jq")
    damaged.write_bytes(damaged.read_bytes()[:100])
    status, _, err = machine.brew("install", "jq")
    assert status == 0
    assert f"Removing corrupt cached download: {damaged.name}" in err


def test_it_cannot_be_fetched_again_without_a_network(machine: Machine, cache: Path) -> None:
    machine.brew("fetch", "jq")
    blob(cache, "jq").write_bytes(b"no bottle")
    machine.network_down()
    assert machine.brew("install", "jq")[0] == 1
    assert machine.brew("list") == (0, "", "")


def test_a_bottle_of_another_kind_of_machine_is_a_warning(machine: Machine, cache: Path) -> None:
    status, _, err = machine.brew("fetch", "--bottle-tag=arm64_tahoe", "jq")
    assert (status, "Bottle for tag :arm64_tahoe is unavailable." in err) == (0, True)


def test_info_says_where_a_bottle_is_and_which_hash_it_has(machine: Machine, cache: Path) -> None:
    machine.brew("fetch", "whisper-cpp")
    (formula,) = json.loads(machine.brew("info", "--json=v2", "whisper-cpp")[1])["formulae"]
    file = formula["bottle"]["stable"]["files"]["arm64_sequoia"]
    assert file["url"] == (
        f"https://ghcr.io/v2/homebrew/core/whisper-cpp/blobs/sha256:{file['sha256']}"
    )
    assert formula["dependencies"] == ["ggml"]


def newer(machine: Machine, version: str) -> None:
    """Have a version of jq released since."""
    file = machine.root / "private/var/db/lab-formulas.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"homebrew/core": {"jq": {"version": version}}}))


def test_outdated_says_what_was_released_since(machine: Machine, cache: Path) -> None:
    machine.brew("install", "jq")
    assert json.loads(machine.brew("outdated", "--json=v2")[1])["formulae"] == []
    newer(machine, "1.9.0")
    row = {
        "name": "jq",
        "installed_versions": ["1.8.1"],
        "current_version": "1.9.0",
        "pinned": False,
        "pinned_version": None,
    }
    assert json.loads(machine.brew("outdated", "--json=v2")[1])["formulae"] == [row]
    machine.brew("pin", "jq")
    pinned = row | {"pinned": True, "pinned_version": "1.8.1"}
    assert json.loads(machine.brew("outdated", "--json=v2")[1])["formulae"] == [pinned]
    machine.brew("unpin", "jq")
    assert machine.brew("upgrade", "jq")[0] == 0
    assert machine.brew("list", "--versions", "jq")[1].split()[-1] == "1.9.0"


def test_outdated_needs_the_apis_file(
    machine: Machine, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.brew("install", "jq")
    monkeypatch.setenv("HOMEBREW_CACHE", str(tmp_path / "empty"))
    machine.network_down()
    status, out, err = machine.brew("outdated", "--json=v2")
    assert (status, out) == (1, "")
    assert "packages.arm64_sequoia.jws.json" in err
