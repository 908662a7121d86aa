"""The lab's npm registry, spoken to by the real npm; and what is fetched for it."""

import json
import subprocess
from pathlib import Path

import pytest

from lab import npm as lab_npm
from lab.npm_registry import handle
from tests.unit.nanoclaw_world.program import NODE, Npm

OPEN = "const D = require('better-sqlite3'); console.log(new D(':memory:').open)"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "npm").mkdir()
    dist = {"tarball": "scope-thing-1.0.0.tgz", "shasum": "0", "integrity": "sha512-x"}
    manifest = {"name": "@scope/thing", "version": "1.0.0", "dist": dist}
    (tmp_path / "npm/index.json").write_text(json.dumps({"@scope/thing": {"1.0.0": manifest}}))
    (tmp_path / "npm/scope-thing-1.0.0.tgz").write_bytes(b"tarball")
    return tmp_path


@pytest.mark.parametrize("path", ["/@scope%2fthing", "/@scope/thing"])
def test_a_package_has_a_document(cache: Path, path: str) -> None:
    status, kind, body = handle(path, cache)
    document = json.loads(body)

    assert (status, kind) == (200, "application/json")
    assert document["dist-tags"] == {"latest": "1.0.0"}
    tarball = document["versions"]["1.0.0"]["dist"]["tarball"]
    assert tarball == "https://npm.lab.internet/@scope/thing/-/thing-1.0.0.tgz"
    assert handle(tarball.removeprefix("https://npm.lab.internet"), cache)[2] == b"tarball"


@pytest.mark.parametrize(
    "path", ["/", "/left-pad", "/@scope/thing/-/x.tgz", "/@scope/thing/-/..%2findex.json"]
)
def test_what_is_not_there_is_404(cache: Path, path: str) -> None:
    assert handle(path, cache)[0] == 404


def test_npm_ci_installs_what_the_lock_says(modules: Path) -> None:
    """`modules` is what `npm ci` made of the stand-in's lock: hashes held, and the addon opens."""
    opened = subprocess.run([str(NODE), "-e", OPEN], cwd=modules, capture_output=True, check=True)

    assert opened.stdout == b"true\n"
    assert (modules / "node_modules/.bin/tsc").exists()


def test_npm_refuses_a_tarball_that_the_lock_does_not_mean(
    npm: Npm, modules: Path, tmp_path: Path
) -> None:
    ws = json.loads((modules / "package-lock.json").read_text())["packages"]["node_modules/ws"]
    package = {"name": "one", "version": "1.0.0", "dependencies": {"ws": ws["version"]}}
    packages = {"": package, "node_modules/ws": ws | {"integrity": "sha512-AAAA"}}
    lock = {"name": "one", "lockfileVersion": 3, "requires": True, "packages": packages}
    (tmp_path / "package.json").write_text(json.dumps(package))
    (tmp_path / "package-lock.json").write_text(json.dumps(lock))

    done = npm(tmp_path, "ci", "--ignore-scripts")

    assert done.returncode != 0
    assert "EINTEGRITY" in done.stderr


def test_only_what_fits_this_kind_of_machine_is_fetched(tmp_path: Path) -> None:
    packages = {
        "": {"name": "own", "version": "1.0.0"},
        "node_modules/plain": {"version": "1.0.0"},
        "node_modules/a/node_modules/@scope/nested": {"version": "2.0.0"},
        "node_modules/renamed": {"name": "real-name", "version": "3.0.0"},
        "node_modules/mac": {"version": "1.0.0", "os": ["darwin"], "optional": True},
        "node_modules/not-here": {"version": "1.0.0", "os": ["!linux"]},
        "node_modules/musl": {"version": "1.0.0", "os": ["linux"], "libc": ["musl"]},
        "node_modules/from-git": {"version": "1.0.0", "resolved": "git+ssh://git@host/x#1"},
    }
    lock = tmp_path / "package-lock.json"
    lock.write_text(json.dumps({"packages": packages}))

    assert lab_npm.locked([lock]) == ["@scope/nested@2.0.0", "plain@1.0.0", "real-name@3.0.0"]


def test_further_locks_are_added_to_the_cache(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", registry)
    monkeypatch.setenv("npm_config_replace_registry_host", "always")
    lock = tmp_path / "package-lock.json"
    lock.write_text(json.dumps({"packages": {"node_modules/ws": {"version": "8.18.3"}}}))

    assert lab_npm.add(tmp_path, [lock]) == 1
    assert lab_npm.add(tmp_path, [lock]) == 0
    assert handle("/ws/-/ws-8.18.3.tgz", tmp_path)[0] == 200
    assert sorted(path.name for path in tmp_path.iterdir()) == ["npm-extra", "package-lock.json"]
