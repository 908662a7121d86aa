"""A build without a network: from the files that the host says, hashed before they are used."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import small_nanoclaw
from tests.unit.agent.conftest import Guest

NOWHERE = "/nowhere/nanoclaw.git"


@pytest.fixture
def cached(guest: Guest, tmp_path: Path) -> dict[str, Any]:
    """A share with the commits, one package and one addon."""
    share = tmp_path / "share"
    share.mkdir()
    lock = {**small_nanoclaw.LOCK}
    lock["packages"] = {**LOCKED, "": {"name": "nanoclaw", "version": "1.2.52"}}
    guest.repository.commit("locked", {"package-lock.json": json.dumps(lock)})
    commit = guest.repository.commits["locked"]
    git = ["git", "-C", str(guest.repository.folder)]
    bundle = tmp_path / "nanoclaw.bundle"
    subprocess.run([*git, "update-ref", f"refs/clawkeep/{commit}", commit], check=True)
    words = ["bundle", "create", "--quiet", str(bundle), f"refs/clawkeep/{commit}"]
    subprocess.run([*git, *words], check=True)
    files = []
    for place, content in {
        "source/nanoclaw.bundle": bundle.read_bytes(),
        "npm/tarballs/abc.tgz": b"a package",
        "prebuilt/better-sqlite3-v11.10.0-node-v127-darwin-arm64.tar.gz": b"an addon",
    }.items():
        sha256 = hashlib.sha256(content).hexdigest()
        (share / sha256).write_bytes(content)
        files.append([sha256, place, f"source {place.rpartition('/')[2]}"])
    return {"share": str(share), "files": files}


LOCKED = {"node_modules/@x/b": {"version": "1.0.0", "integrity": "sha512-AAAA"}}


def build(guest: Guest, cached: dict[str, Any]) -> str:
    return guest.build("locked", repository=NOWHERE, registry="", proxy="", cache=cached)


def test_source_and_packages_come_from_the_share_and_nobody_is_asked(
    guest: Guest, cached: dict[str, Any]
) -> None:
    before = list(guest.proxy.asked)
    release = build(guest, cached)
    assert guest.releases() == {release}
    calls = guest.calls()
    assert calls[0].startswith("cache add ")
    assert "npm/tarballs/abc.tgz" in calls[0]
    variables = (guest.bin / "environment").read_text()
    assert "npm_config_offline=true" in variables
    assert "npm_config_better_sqlite3_local_prebuilds=" in variables
    assert "https_proxy" not in variables
    assert guest.proxy.asked == before
    assert not (guest.root / "cache" / "offline").exists()


def test_a_lock_says_where_its_packages_are_only_while_npm_reads_it(
    guest: Guest, cached: dict[str, Any]
) -> None:
    seen = guest.bin / "lock"
    npm = guest.bin / "npm"
    copying = f'#!/bin/sh\n[ "$1" != ci ] || cat package-lock.json >> {seen}\n'
    npm.write_text(npm.read_text().replace("#!/bin/sh\n", copying, 1))
    release = build(guest, cached)
    assert "https://cache.invalid/@x/b/-/b-1.0.0.tgz" in seen.read_text()
    lock = guest.release(release) / "package-lock.json"
    assert "cache.invalid" not in lock.read_text()
    assert guest.status()["dirty"] == []


def test_without_the_cache_the_same_build_fails(guest: Guest) -> None:
    said = guest.fails("locked", repository=NOWHERE, registry="", proxy="")
    assert "source: `git" in said


def test_a_flipped_byte_is_named_and_nothing_runs(guest: Guest, cached: dict[str, Any]) -> None:
    damaged = Path(cached["share"]) / cached["files"][1][0]
    damaged.write_bytes(b"a pbckage")
    said = guest.fails("locked", repository=NOWHERE, registry="", proxy="", cache=cached)
    assert "cache: source abc.tgz: its file in the cache is damaged" in said
    assert guest.calls() == []
    assert guest.releases() == set()


def test_a_missing_file_is_named(guest: Guest, cached: dict[str, Any]) -> None:
    (Path(cached["share"]) / cached["files"][0][0]).unlink()
    said = guest.fails("locked", repository=NOWHERE, cache=cached)
    assert "source nanoclaw.bundle: its file in the cache cannot be read" in said


def test_a_share_that_is_not_there_is_said_with_the_way_out(
    guest: Guest, cached: dict[str, Any]
) -> None:
    said = guest.fails("locked", repository=NOWHERE, cache={**cached, "share": "/nowhere"})
    assert "the cache is not shared with this guest (no /nowhere)" in said


@pytest.mark.parametrize("place", ["../../outside", "/etc/passwd", "a/../../b"])
def test_no_place_leads_out_of_the_folder(guest: Guest, cached: dict[str, Any], place: str) -> None:
    cached["files"][1][1] = place
    assert "is no place inside a folder" in guest.fails("locked", repository=NOWHERE, cache=cached)
