"""Telling NanoClaws apart by their sources."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from clawkeep.nanoclaw.profile import recognise
from clawkeep.nanoclaw.recognise import UnsupportedError

COMMON = {"package-lock.json", "src/index.ts", "src/config.ts"}
DOCKER = {*COMMON, "src/container-runtime.ts"}
CHANNELS = {*DOCKER, "src/channels/registry.ts"}
ONECLI = {"dependencies": {"@onecli-sh/sdk": "^0.2.0"}}


def package(version: str, **more: Any) -> dict[str, Any]:
    return {"name": "nanoclaw", "version": version, **more}


@pytest.mark.parametrize(
    ("data", "files", "name"),
    [
        (package("1.2.52", **ONECLI), CHANNELS, "v1.2"),
        (package("1.2.21", **ONECLI), {*CHANNELS, "src/credential-proxy.ts"}, "v1.2"),
        (package("1.1.2"), DOCKER, "v1.1"),
        (package("1.1.6"), DOCKER, "v1.1"),
        (package("1.0.0"), COMMON, "v1.0"),
    ],
)
def test_a_tree_has_the_profile_of_its_generation(
    data: dict[str, Any], files: set[str], name: str
) -> None:
    assert recognise(data, files).name == name


@pytest.mark.parametrize(
    ("data", "files"),
    [
        (package("2.0.64"), CHANNELS),
        (package("2.4.0", packageManager="pnpm@10.33.0"), CHANNELS),
        (package("1.2.53", packageManager="pnpm@10.33.0", **ONECLI), CHANNELS),
        (package("1.2.53", **ONECLI), {*CHANNELS, "pnpm-lock.yaml"}),
        (package("1.2.53", **ONECLI), {*CHANNELS, "container/agent-runner/bun.lock"}),
    ],
)
def test_the_second_generation_is_refused_however_it_shows(
    data: dict[str, Any], files: set[str]
) -> None:
    with pytest.raises(UnsupportedError, match=r"pnpm and bun.*containers.*take profile 'v1\.2'"):
        recognise(data, files)


@pytest.mark.parametrize(
    ("data", "files", "why"),
    [
        ({"name": "openclaw", "version": "1.2.52"}, CHANNELS, "of 'openclaw', not of 'nanoclaw'"),
        ({}, CHANNELS, "of None"),
        (package("1.2.52", **ONECLI), CHANNELS - {"package-lock.json"}, "no package-lock.json"),
        (package("1.2.11"), CHANNELS, r"those before 1\.2\.21"),
        (package("1.2.52"), {*CHANNELS, "src/credential-proxy.ts"}, r"those before 1\.2\.21"),
        (package("1.1.2"), CHANNELS, "no profile knows"),
        (package("1.0.0"), DOCKER, "no profile knows"),
        (package("1.3.0", **ONECLI), CHANNELS, "no profile knows"),
        (package(""), CHANNELS, "without a version"),
    ],
)
def test_what_is_not_known_to_work_is_refused(
    data: dict[str, Any], files: set[str], why: str
) -> None:
    with pytest.raises(UnsupportedError, match=why):
        recognise(data, files)


def test_the_same_text_runs_in_the_guest() -> None:
    folder = Path(__file__).resolve().parents[3] / "clawkeep" / "nanoclaw"
    tree = ast.parse((folder / "recognise.py").read_text(), feature_version=(3, 9))
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert imported == {"__future__", "collections.abc", "typing"}
