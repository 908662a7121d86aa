"""Colours and layout: one style sheet, part of the page, allowed by its hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from clawkeep.render.svg import LIVE, STYLE

#: Every pair of `text` on `ground` has a contrast of at least 4.5:1 (WCAG AA), in both themes.
LIGHT: Final[Mapping[str, str]] = {
    "paper": "#f4f6f8", "card": "#ffffff", "line": "#c3cad3", "text": "#16191d",
    "faint": "#4a525d", "link": "#0b57a4", "code": "#e9edf2",
    "ok": "#1f6434", "ok-ground": "#e5f4e9", "bad": "#9c2318", "bad-ground": "#fbe6e3",
    "warn": "#75500a", "warn-ground": "#fdf1d6", "unknown": "#444c57", "unknown-ground": "#e6e9ee",
}  # fmt: skip
DARK: Final[Mapping[str, str]] = {
    "paper": "#0f1215", "card": "#181c21", "line": "#3a434e", "text": "#eceff3",
    "faint": "#b4bdc8", "link": "#8ec1ff", "code": "#252b33",
    "ok": "#8bdca3", "ok-ground": "#173322", "bad": "#ffa79b", "bad-ground": "#451d19",
    "warn": "#f2cd7e", "warn-ground": "#3d2f10", "unknown": "#c6ced8",
    "unknown-ground": "#2b323b",
}  # fmt: skip
PAIRS: Final = (
    ("text", "paper"), ("text", "card"), ("faint", "paper"), ("faint", "card"), ("link", "card"),
    ("link", "paper"), ("text", "code"), ("ok", "ok-ground"), ("bad", "bad-ground"),
    ("warn", "warn-ground"), ("unknown", "unknown-ground"), ("faint", "bad-ground"),
    ("text", "bad-ground"), ("ok", "card"), ("bad", "card"), ("warn", "card"),
)  # fmt: skip
"""Which colour is written on which."""

LAYOUT: Final = """
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--text); color-scheme: light dark;
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
body { margin: 0 auto; padding: 1rem; max-width: 84rem; overflow-wrap: anywhere; }
h1 { font-size: 1.35rem; margin: 0; } h2 { font-size: 1.05rem; margin: 0; }
h3 { font-size: .95rem; margin: 1rem 0 .25rem; color: var(--faint); }
p { margin: .35rem 0; } a { color: var(--link); } ul { margin: .35rem 0; padding-left: 1.2rem; }
code { background: var(--code); padding: .1em .35em; border-radius: 4px;
  font: .84em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
.top { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: center; }
.faint, footer { color: var(--faint); font-size: .875rem; }
nav ul { list-style: none; padding: 0; margin: .75rem 0 1rem; display: flex; flex-wrap: wrap;
  gap: .4rem; }
nav a { display: block; text-decoration: none; color: inherit; border-radius: 6px; }
nav .mark { padding: .3rem .6rem; }
main { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .85rem 1rem; min-width: 0; scroll-margin-top: .5rem; }
.wide { grid-column: 1 / -1; }
.head { display: flex; flex-wrap: wrap; gap: .3rem .75rem; align-items: center;
  margin-bottom: .5rem; }
.foot { color: var(--faint); font-size: .82rem; margin: .6rem 0 0; }
.mark { display: inline-block; max-width: 100%; padding: .05rem .5rem; border-radius: 6px;
  border: 1px solid; font-size: .875rem; font-weight: 600; }
.mark.short { white-space: nowrap; }
.mark.ok { color: var(--ok); background: var(--ok-ground); }
.mark.bad { color: var(--bad); background: var(--bad-ground); }
.mark.warn { color: var(--warn); background: var(--warn-ground); }
.mark.unknown, .mark.none { color: var(--unknown); background: var(--unknown-ground); }
.mark.none { border-style: dashed; font-weight: 400; }
.alarm { border: 2px solid var(--bad); background: var(--bad-ground); color: var(--text);
  border-radius: 10px; padding: .6rem .9rem; margin: .75rem 0; }
.old .body { filter: grayscale(1); border-left: 4px solid var(--line); padding-left: .75rem; }
dl { display: grid; grid-template-columns: minmax(6.5rem, auto) 1fr; gap: .25rem .75rem;
  margin: 0; }
dt { color: var(--faint); } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin-top: .35rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid var(--line); }
td { min-width: 6em; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; }
 tr:last-child td { border-bottom: 0; }
.n { text-align: right; min-width: 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
.t { white-space: nowrap; font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } .scroll:focus { outline: 2px solid var(--link); }
.picture svg { display: block; height: auto; max-width: 100%; min-width: 52rem; }
.samples { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); }
.chart { display: block; width: 100%; height: 3.2rem; }
.chart * { fill: none; stroke: var(--link); stroke-width: 1.5;
  vector-effect: non-scaling-stroke; }
.chart .limit { stroke: var(--warn); stroke-width: 1; stroke-dasharray: 4 3; }
.chart .limit.critical { stroke: var(--bad); }
@media (max-width: 40rem) {
body { padding: .6rem; } section { padding: .75rem; }
.cards thead { position: absolute; left: -99rem; } .cards tr { display: block; padding: .4rem 0;
  border-bottom: 1px solid var(--line); } .cards tr:last-child { border-bottom: 0; }
.cards td { display: grid; min-width: 0; grid-template-columns: 6.5rem 1fr; gap: .5rem; border: 0;
  padding: .1rem 0; text-align: left; white-space: normal; }
.cards td > .mark { justify-self: start; }
.cards td::before { content: attr(data-label); color: var(--faint); }
.cards td:empty { display: none; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
"""


def sheet() -> str:
    """Return the style sheet, the picture's included."""
    return "\n".join((
        f":root {{ {_colours(LIGHT)} }}",
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_colours(DARK)} }} }}",
        LAYOUT.strip(),
        STYLE,
        LIVE,
    ))  # fmt: skip


def _colours(theme: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in theme.items())


SHEET: Final = sheet()
HASH: Final = base64.b64encode(hashlib.sha256(SHEET.encode()).digest()).decode()
"""What the page's policy allows as a style: this sheet and no other."""
