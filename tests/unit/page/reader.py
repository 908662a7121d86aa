"""Reads a page of ours, strictly: what is opened is closed, in order."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """Reads a page: sections by their id, tags, and text."""

    VOID = frozenset({"meta", "link", "br", "wbr"})

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"": []}
        self.open: list[str] = []
        self.section = ""
        self.feed(markup)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = str(values["id"])
            self.texts[self.section] = []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts[self.section].append(data)

    def text(self, section: str = "") -> str:
        return " ".join(" ".join(self.texts[section]).split())
