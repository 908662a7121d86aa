"""The picture of the keep as SVG: laid out here, so that nothing but text has to be installed.

Boxes are as wide as their text. Text is set in a fixed-width font, whose letters are at most
`LETTER` wide; text that no such font may hold (wide or foreign letters) is given its width.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from clawkeep.model import Keep
from clawkeep.render.diagram import Picture, Way, picture

SIZE = 13
LETTER = 0.63 * SIZE
"""Width of one letter: SF Mono, Menlo, DejaVu, Liberation and Courier are 0.55 to 0.62 em wide."""

LINE = 18
PADDING = 12
GAP = 16
LANE = 44
LONGEST = 44
"""Letters of one line; a longer one is shortened in its middle and shown whole on hovering."""

STYLE = """
svg { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.paper { fill: #ffffff; } .host { fill: #f3f5f8; stroke: #8a94a3; }
.box { fill: #ffffff; stroke: #5b6573; } .door { fill: #e5f4e9; stroke: #2c7a43; }
.wall { fill: #fbe6e3; stroke: #b3392b; } text { fill: #16191d; } .faint { fill: #4a525d; }
.way { stroke: #2c7a43; fill: none; stroke-width: 1.5; } .tip { fill: #2c7a43; }
.stop { stroke: #b3392b; fill: none; stroke-width: 1.5; } .strong { font-weight: bold; }
@media (prefers-color-scheme: dark) {
.paper { fill: #15181c; } .host { fill: #1e2329; stroke: #7a8595; }
.box { fill: #262c34; stroke: #97a2b1; } .door { fill: #1c3a26; stroke: #63c07e; }
.wall { fill: #46211d; stroke: #ef8376; } text { fill: #eceff3; } .faint { fill: #b9c1cc; }
.way { stroke: #63c07e; } .tip { fill: #63c07e; } .stop { stroke: #ef8376; }
}
""".strip()

LIVE = """
.door.bad { fill: #fbe6e3; stroke: #b3392b; } .door.unknown { fill: #e6e9ee; stroke: #5b6573; }
@media (prefers-color-scheme: dark) {
.door.bad { fill: #46211d; stroke: #ef8376; } .door.unknown { fill: #2b323b; stroke: #97a2b1; }
}
""".strip()
"""What a picture of doors that were looked at needs besides."""


def svg(keep: Keep) -> str:
    """Return the picture as one SVG document, the same for the same keep."""
    return _Drawing(picture(keep)).text()


def drawn(seen: Picture) -> str:
    """Return any picture as SVG for a page that has `STYLE` and `LIVE` in its own style sheet."""
    return _Drawing(seen).text(style="")


def cells(text: str) -> int:
    """Return how many letters wide `text` is: the wide ones of East Asia count twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return `text`, its middle left out when it is wider than `longest` letters."""
    if cells(text) <= longest:
        return text
    head, tail = "", ""
    half = (longest - 2) // 2
    for letter in text:
        if cells(head + letter) > half:
            break
        head += letter
    for letter in reversed(text):
        if cells(letter + tail) > half:
            break
        tail = letter + tail
    return f"{head}…{tail}"


def width_of(lines: Iterable[str]) -> int:
    """Return the width, in pixels, of a box that holds the lines, its padding included."""
    widest = max((cells(shortened(line)) for line in lines), default=0)
    return round(widest * LETTER + 0.5) + 2 * PADDING


def height_of(lines: tuple[str, ...]) -> int:
    """Return the height, in pixels, of a box that holds the lines, its padding included."""
    return LINE * len(lines) + PADDING


@dataclass(frozen=True)
class _Box:
    x: int
    y: int
    width: int
    lines: tuple[str, ...]
    kind: str = "box"
    least: int = 0

    @property
    def height(self) -> int:
        return max(height_of(self.lines), self.least)

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def middle(self) -> int:
        return self.y + self.height // 2

    def parts(self) -> Iterator[str]:
        yield (
            f'<rect class="{self.kind}" x="{self.x}" y="{self.y}" width="{self.width}" '
            f'height="{self.height}" rx="6"/>'
        )
        for number, line in enumerate(self.lines):
            y = self.y + PADDING // 2 + LINE * number + SIZE
            yield _text(self.x + PADDING, y, line, "strong" if number == 0 else "faint")


class _Drawing:
    """Columns from left to right: guest and folders, Softnet, pf, doors, what they lead to."""

    def __init__(self, seen: Picture) -> None:
        self.seen = seen
        self.top = 3 * GAP + LINE
        # Lines begin below the walls' names.
        self.begin = self.top + max(height_of(seen.softnet), height_of(seen.pf))
        self.left = 2 * GAP
        folders = [(f.path, f.how) for f in seen.folders]
        inner = max(width_of(lines) for lines in (seen.guest, *folders))
        stopped = width_of((_stopped(seen.outside), _stopped(seen.ports)))
        self.first = self.left + inner
        self.softnet = self.first + LANE
        self.pf = self.softnet + width_of(seen.softnet) + LANE
        self.doors = self.pf + width_of(seen.pf) + LANE
        self.gates = max((width_of(way.gate) for way in seen.ways if way.gate), default=0)
        self.edge = self.doors + max(self.gates, stopped) + GAP
        labels = max((width_of((way.how,)) for way in seen.ways), default=0)
        self.targets = self.edge + LANE + labels
        fars = max((width_of(way.far) for way in seen.ways), default=0)
        self.width = (self.targets + fars if seen.ways else self.edge) + 2 * GAP

    def text(self, style: str = STYLE) -> str:
        rows = [max(height_of(way.gate or way.far), height_of(way.far)) for way in self.seen.ways]
        denied = 2 * (LINE + GAP)
        guest = self.begin - self.top + sum(rows) + GAP * len(rows) + denied
        boxes = list(self._left(guest))
        inner = max(box.y + box.height for box in boxes)
        walls = max(guest, inner - self.top)
        bottom = self.top + walls + GAP
        parts = [f'<rect class="paper" width="{self.width}" height="{bottom + GAP}"/>']
        parts.append(
            f'<rect class="host" x="{GAP}" y="{GAP}" width="{self.edge - GAP}" '
            f'height="{bottom - GAP}" rx="10"/>'
        )
        parts.append(_text(self.left, 2 * GAP + SIZE // 2, "Host: the Mac", "strong"))
        for box in boxes:
            parts += box.parts()
        for x, lines in ((self.softnet, self.seen.softnet), (self.pf, self.seen.pf)):
            parts += _Box(x, self.top, width_of(lines), lines, "wall", walls).parts()
        parts += self._ways(rows)
        parts += self._stops(self.begin + sum(rows) + GAP * len(rows))
        return self._document(parts, bottom + GAP, style)

    def _left(self, height: int) -> Iterator[_Box]:
        """Yield the guest, as high as its ways out need, and its folders below."""
        width = self.first - self.left
        guest = _Box(self.left, self.top, width, self.seen.guest, "box", height)
        yield guest
        y = guest.y + guest.height + GAP
        for folder in self.seen.folders:
            box = _Box(self.left, y, width, (folder.path, folder.how))
            yield box
            y += box.height + GAP // 2

    def _ways(self, rows: list[int]) -> Iterator[str]:
        """Yield a line through both walls for each way, its door, and what it leads to."""
        y = self.begin
        for way, height in zip(self.seen.ways, rows, strict=True):
            middle = y + height // 2
            if way.gate:
                top = middle - height_of(way.gate) // 2
                door = _Box(self.doors, top, self.gates, way.gate, f"door {way.state}".rstrip())
                yield _arrow(self.first, middle, door.x)
                yield from door.parts()
                yield _arrow(door.right, middle, self.targets)
            else:
                yield _arrow(self.first, middle, self.targets)
            yield _text(self.edge + PADDING, middle - 5, way.how, "faint")
            yield from self._far(way, middle).parts()
            y += height + GAP

    def _far(self, way: Way, middle: int) -> _Box:
        height = height_of(way.far)
        return _Box(self.targets, middle - height // 2, width_of(way.far), way.far)

    def _stops(self, y: int) -> Iterator[str]:
        """Yield the two refusals: what Softnet stops, and what only pf can stop."""
        for number, (wall, words) in enumerate(
            ((self.softnet, self.seen.outside), (self.pf, self.seen.ports))
        ):
            middle = y + number * (LINE + GAP) + LINE // 2
            yield _cross(self.first, middle, wall)
            yield _text(self.doors, middle + 5, _stopped(words), "faint")

    def _document(self, parts: list[str], height: int, style: str) -> str:
        size = f'viewBox="0 0 {self.width} {height}" width="{self.width}" height="{height}"'
        lines = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d" {size}>',
            f'<title id="t">{html.escape(f"The keep {self.seen.guest[0]}")}</title>',
            f'<desc id="d">{html.escape(_description(self.seen))}</desc>',
            *([f"<style>{style}</style>"] if style else []),
            *parts,
            "</svg>",
        )
        return "\n".join(lines) + "\n"


def _stopped(words: str) -> str:
    return f"✕ {words}"


def _description(seen: Picture) -> str:
    """Say in sentences what the picture shows, for those who do not see it."""
    ways = [
        f"{' at '.join(way.gate) or 'Without a door'} leads to {', '.join(way.far)} ({way.how})."
        for way in seen.ways
    ]
    folders = [f"It shares the folder {folder.path} ({folder.how})." for folder in seen.folders]
    return " ".join(
        (
            f"The guest {seen.guest[0]} on the Mac leaves through two walls, Softnet and pf.",
            *ways,
            *folders,
            f"Both walls refuse {seen.outside}; pf refuses {seen.ports}.",
        )
    )


def _text(x: int, y: int, text: str, kind: str) -> str:
    shown = shortened(text)
    whole = f"<title>{html.escape(text)}</title>" if shown != text else ""
    fixed = ""
    if not shown.isascii():
        fixed = f' textLength="{round(cells(shown) * LETTER)}" lengthAdjust="spacingAndGlyphs"'
    return f'<text class="{kind}" x="{x}" y="{y}"{fixed}>{whole}{html.escape(shown)}</text>'


def _arrow(x: int, y: int, to: int) -> str:
    return f'<path class="way" d="M{x} {y}H{to - 7}"/><path class="tip" d="M{to} {y}l-8 -4v8z"/>'


def _cross(x: int, y: int, to: int) -> str:
    return f'<path class="stop" d="M{x} {y}H{to - 5}m-5 -5l10 10m0 -10l-10 10"/>'
