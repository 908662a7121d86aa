"""The lab's package index answers as PEP 503 asks."""

from pathlib import Path

import pytest

from lab.package_index import handle, normalised

WHEEL = "edge_tts-7.3.1-py3-none-any.whl"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / WHEEL).write_bytes(b"wheel")
    return tmp_path


def test_the_root_lists_projects_by_their_normalised_name(cache: Path) -> None:
    status, kind, body = handle("/simple/", cache)

    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert b'<a href="/simple/edge-tts/">edge-tts</a>' in body


@pytest.mark.parametrize("path", ["/simple/edge-tts/", "/simple/Edge_TTS/", "/simple/edge.tts"])
def test_a_project_lists_its_files_with_their_hash(cache: Path, path: str) -> None:
    status, _, body = handle(path, cache)

    digest = "ba59926159d2aa256eb8739b8da7e2b574b960e1202c6d624cbe981cef996c91"
    assert status == 200
    assert f'href="/packages/{WHEEL}#sha256={digest}"'.encode() in body


def test_a_file_is_served_whole(cache: Path) -> None:
    assert handle(f"/packages/{WHEEL}", cache) == (200, "application/octet-stream", b"wheel")


@pytest.mark.parametrize(
    "path",
    ["/", "/simple/nope/", "/packages/nope.whl", "/packages/..%2f..%2fetc%2fpasswd", "/x/y/z"],
)
def test_what_is_not_there_is_404(cache: Path, path: str) -> None:
    assert handle(path, cache)[0] == 404


def test_an_empty_cache_has_an_empty_index(tmp_path: Path) -> None:
    assert handle("/simple/", tmp_path)[0] == 200


def test_names_are_normalised() -> None:
    assert normalised("Foo._-Bar") == "foo-bar"
