"""The index: what it knows, and that no path gets out of a folder by it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from clawkeep.cache.index import BadIndexError, Index, Item, Want, parse

JQ, GGML, WHISPER = "formula jq (x)", "formula ggml (x)", "formula whisper-cpp (x)"


def item(name: str, *wants: str, **more: Any) -> Item:
    sha256 = name[0] * 64 if name[0] in "abcdef0123456789" else "0" * 64
    values = {"version": "1", "size": 10, "place": f"homebrew/{name}", "said_by": "brew"}
    return Item(**{"kind": "formula", "name": name, "sha256": sha256, "wants": wants,
                   **values, **more})  # fmt: skip


def want(name: str) -> Want:
    return Want("formula", name, "x", "guest", {})


def test_it_reads_what_it_writes() -> None:
    index = Index((item("a", JQ), item("b", JQ, WHISPER)))
    assert parse(index.text()) == index


def test_a_missing_file_is_an_empty_index() -> None:
    assert parse(None) == parse("\n") == Index()


@pytest.mark.parametrize(
    "change",
    [
        {"place": "../../etc/passwd"},
        {"place": "homebrew/../../x"},
        {"place": "/etc/passwd"},
        {"place": "a\nb"},
        {"sha256": "../../x"},
        {"sha256": "A" * 64},
        {"kind": "shell"},
        {"name": "a\tb"},
        {"wants": []},
        {"size": -1},
        {"size": "many"},
    ],
)
def test_an_item_that_leads_elsewhere_is_refused(change: dict[str, Any]) -> None:
    data = {"format": 1, "items": [asdict(item("a", JQ)) | change]}
    with pytest.raises(BadIndexError):
        parse(json.dumps(data))
    data["items"] = [asdict(item("a", JQ))]
    assert len(parse(json.dumps(data)).items) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2, "items": []}'])
def test_what_is_no_index_is_refused(text: str) -> None:
    with pytest.raises(BadIndexError):
        parse(text)


def test_what_is_lacking_is_what_no_item_is_there_for() -> None:
    index = Index((item("a", JQ),))
    assert index.lacking([want("jq"), want("whisper-cpp")]) == (want("whisper-cpp"),)


def test_another_basis_is_another_want() -> None:
    index = Index((item("a", JQ),))
    newer = Want("formula", "jq", "y", "guest", {})
    assert index.lacking([newer]) == (newer,)


def test_a_file_that_two_want_stays_while_one_does() -> None:
    index = Index((item("a", JQ, WHISPER), item("b", JQ)))
    assert [(i.name, i.wants) for i in index.without([JQ]).items] == [("a", (WHISPER,))]


def test_what_is_filled_again_takes_the_place_of_what_was() -> None:
    index = Index((item("a", JQ), item("b", JQ, WHISPER)))
    new = item("c", JQ)
    names = [(i.name, i.wants) for i in index.replaced([JQ], [new]).items]
    assert names == [("b", (WHISPER,)), ("c", (JQ,))]


def test_content_that_two_items_share_counts_once() -> None:
    index = Index((item("a", JQ), item("a", GGML, place="homebrew/other")))
    assert index.size == 10
