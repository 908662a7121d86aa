"""The picture as SVG: well-formed, readable in both colour schemes, and no text leaves its box."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from clawkeep import declared
from clawkeep.model import Keep
from clawkeep.render.diagram import Way, live, picture
from clawkeep.render.svg import LETTER, LONGEST, STYLE, cells, shortened, svg
from clawkeep.render.svg import drawn as with_states
from tests.unit.explain.keeps import keeps

CHECKOUT = Path(__file__).resolve().parents[3]
NS = "{http://www.w3.org/2000/svg}"


def number(element: ET.Element, name: str) -> float:
    return float(element.get(name, "0"))


def texts(root: ET.Element) -> list[ET.Element]:
    return list(root.iter(f"{NS}text"))


def whole(text: ET.Element) -> str:
    """The text itself, or what is shown on hovering when it was shortened."""
    title = text.find(f"{NS}title")
    return "".join(text.itertext()) if title is None else str(title.text)


def drawn(text: ET.Element) -> str:
    title = text.find(f"{NS}title")
    return str(text.text if title is None else title.tail)


@given(keeps())
def test_every_text_lies_in_the_box_that_it_begins_in(keep: Keep) -> None:
    root = ET.fromstring(svg(keep))
    boxes = [rect for rect in root.iter(f"{NS}rect") if rect.get("x")]
    for text in texts(root):
        x, y = number(text, "x"), number(text, "y")
        right = x + cells(drawn(text)) * LETTER
        assert right <= number(root, "width")
        inside = [
            box
            for box in boxes
            if number(box, "x") <= x < number(box, "x") + number(box, "width")
            and number(box, "y") <= y < number(box, "y") + number(box, "height")
        ]
        for box in inside:
            assert right <= number(box, "x") + number(box, "width")
        assert drawn(text).isascii() or text.get("textLength")


@given(keeps())
def test_boxes_do_not_cover_one_another_and_lie_in_the_picture(keep: Keep) -> None:
    root = ET.fromstring(svg(keep))
    boxes = [r for r in root.iter(f"{NS}rect") if r.get("class") in {"box", "door", "wall"}]
    edges = [
        (
            number(b, "x"),
            number(b, "x") + number(b, "width"),
            number(b, "y"),
            number(b, "y") + number(b, "height"),
        )
        for b in boxes
    ]
    for index, (left, right, top, bottom) in enumerate(edges):
        assert 0 <= left < right <= number(root, "width")
        assert 0 <= top < bottom <= number(root, "height")
        for other in edges[:index]:
            apart = right <= other[0] or other[1] <= left or bottom <= other[2] or other[3] <= top
            assert apart


@given(keeps())
def test_all_that_is_declared_is_in_the_picture_and_in_its_description(keep: Keep) -> None:
    root = ET.fromstring(svg(keep))
    shown = [whole(text) for text in texts(root)]
    described = root.findtext(f"{NS}desc") or ""
    for service in keep.services:
        for value in (service.name, f"gateway:{service.port}", str(service.target)):
            assert value in shown
            assert value in described
    for mount in keep.guest.mounts:
        assert mount.path in shown
        assert mount.path in described
    assert {"Softnet", "pf"} <= set(shown)
    assert root.findtext(f"{NS}title") == f"The keep {keep.guest.name}"
    assert svg(keep) == svg(keep)


@pytest.mark.parametrize("text", ["a" * 100, "日本語" * 30, "😀" * 60, "a" * 43 + "日"])
def test_a_long_text_loses_its_middle_and_keeps_both_ends(text: str) -> None:
    short = shortened(text)
    assert cells(short) <= LONGEST
    assert (short[0], short[-1]) == (text[0], text[-1])
    assert "…" in short
    assert shortened("a" * LONGEST) == "a" * LONGEST


def colours(scheme: str) -> dict[str, dict[str, str]]:
    """The declared colours, by class and property."""
    light, _, dark = STYLE.partition("@media")
    found: dict[str, dict[str, str]] = {}
    for selector, body in re.findall(
        r"(\.?\w+) \{ ([^{}]*)\}", light + (dark if scheme == "dark" else "")
    ):
        of = found.setdefault(selector, {})
        of.update(re.findall(r"(fill|stroke): (#[0-9a-f]{6})", body))
    return found


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out_in_both_schemes(scheme: str) -> None:
    found = colours(scheme)
    for ground in (".paper", ".host", ".box", ".door", ".wall"):
        for text in ("text", ".faint"):
            assert contrast(found[text]["fill"], found[ground]["fill"]) >= 4.5
    for line in (".way", ".stop"):
        for ground in (".paper", ".host", ".wall"):
            assert contrast(found[line]["stroke"], found[ground]["fill"]) >= 3


@pytest.mark.usefixtures("project")
def test_the_picture_in_the_readme_is_that_of_the_shipped_declaration() -> None:
    fresh = svg(declared.keep())
    assert (CHECKOUT / "docs/picture.svg").read_text() == fresh, "run: make picture"
    assert "](docs/picture.svg)" in (CHECKOUT / "README.md").read_text()


def test_a_live_picture_has_words_and_a_colour_for_each_door_and_no_style_of_its_own() -> None:
    keep = declared.keep()
    more = Way(("nas", "gateway:18080", "for a time"), "HTTP", ("10.0.20.10:80",), "ok")
    seen = live(
        picture(keep), {"kubernetes": ("bad", "✕ <does> not work"), "nobody": ("ok", "x")},
        guest="now: running", pf="now: in force", more=(more,),
    )  # fmt: skip
    root = ET.fromstring(with_states(seen))
    said = [whole(text) for text in texts(root)]
    assert {"✕ <does> not work", "now: running", "now: in force", "for a time"} <= set(said)
    assert "x" not in said
    kinds = [box.get("class") for box in root.iter(f"{NS}rect")]
    assert kinds.count("door bad") == kinds.count("door ok") == 1
    assert list(root.iter(f"{NS}style")) == []
    assert "now: running" not in svg(keep)
