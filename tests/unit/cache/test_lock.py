"""What npm's locks name, and what in them cannot be kept."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from clawkeep.cache import lock

MAC = lock.Machine("darwin", "arm64")
DIGEST = hashlib.sha512(b"tarball")
INTEGRITY = f"sha512-{base64.b64encode(DIGEST.digest()).decode()}"


def text(**packages: dict[str, Any]) -> str:
    entries = {f"node_modules/{name}": entry for name, entry in packages.items()}
    return json.dumps({"lockfileVersion": 3, "packages": {"": {"name": "own"}, **entries}})


def entry(**more: Any) -> dict[str, Any]:
    return {
        "version": "1.0.0",
        "resolved": "https://registry.example/a/-/a-1.0.0.tgz",
        "integrity": INTEGRITY,
        **more,
    }


def test_a_package_is_called_by_its_folder_or_by_its_own_name() -> None:
    found = lock.packages(text(a=entry(), alias=entry(name="@x/b")), MAC)
    assert [one.name for one in found] == ["@x/b", "a"]
    assert {one.sha512 for one in found} == {DIGEST.hexdigest()}


def test_what_lies_inside_another_package_is_called_by_its_last_folder() -> None:
    nested = json.dumps({"packages": {"node_modules/a/node_modules/@x/b": entry()}})
    assert lock.packages(nested, MAC)[0].name == "@x/b"


def test_a_folder_of_the_project_itself_is_not_fetched() -> None:
    own = json.dumps({"packages": {"": {}, "vendor/own": {"name": "own", "version": "1.0.0"}}})
    assert lock.packages(own, MAC) == ()


@pytest.mark.parametrize(
    ("more", "fits"),
    [
        ({"os": ["darwin"]}, True),
        ({"os": ["linux"]}, False),
        ({"os": ["!darwin"]}, False),
        ({"os": ["!win32"]}, True),
        ({"cpu": ["x64", "arm64"]}, True),
        ({"cpu": ["x64"]}, False),
        ({"link": True}, False),
        ({"inBundle": True}, False),
    ],
)
def test_only_what_npm_would_fetch_on_that_machine_counts(more: dict[str, Any], fits: bool) -> None:
    assert bool(lock.packages(text(a=entry(**more)), MAC)) is fits


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"resolved": "git+ssh://git@example.com/a.git#1"}, "takes a from git"),
        ({"integrity": "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, "has no sha512 for a 1.0.0"),
        ({"integrity": "sha512-AAAA"}, "has no sha512 for a 1.0.0"),
        ({"version": "1/../2"}, "names a package 'a' '1/../2'"),
    ],
)
def test_what_cannot_be_checked_or_fetched_is_an_error(more: dict[str, Any], words: str) -> None:
    with pytest.raises(lock.LockError, match=words):
        lock.packages(text(a=entry(**more)), MAC)


def test_a_lock_of_npm_6_is_an_error() -> None:
    with pytest.raises(lock.LockError, match="version 2 or 3"):
        lock.packages('{"lockfileVersion": 1, "dependencies": {}}', MAC)


def test_a_tarball_is_asked_of_the_registry_that_npm_is_set_to() -> None:
    one = lock.Locked("@x/b", "1.0.0", INTEGRITY, "https://registry.example/@x/b/-/b-1.0.0.tgz")
    mirror = "https://mirror.example/npm/"
    assert one.url(mirror) == "https://mirror.example/npm/@x/b/-/b-1.0.0.tgz"
    odd = lock.Locked("b", "1.0.0", INTEGRITY, "https://mirror.example/npm/download/b/1.0.0")
    assert odd.url(mirror) == odd.resolved
