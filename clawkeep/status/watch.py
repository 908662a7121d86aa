"""`clawkeep status --watch`: the status on a terminal, asked again and again.

What was seen last stays while the host is away, with its age, so that nobody takes it for now.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from clawkeep.agent.report import span
from clawkeep.onhost.plain import plain
from clawkeep.status.report import Report, word_of
from clawkeep.verdict import Verdict

WORDS: Final = {Verdict.WELL: "all is well", Verdict.BAD: "something is not well",
                Verdict.UNKNOWN: "cannot tell"}  # fmt: skip
STYLES: Final = {Verdict.WELL: "green", Verdict.BAD: "bold red", Verdict.UNKNOWN: "yellow"}
TICK_S: Final = 1.0


@dataclass(frozen=True)
class Seen:
    """The last report with a host in it, when it came, and why there is none newer."""

    report: Report | None = None
    at: float = 0.0
    error: str = ""

    def after(self, report: Report, now: float) -> Seen:
        """Return what is seen after one more report."""
        if report.host_error:
            return replace(self, error=plain(report.host_error, 300))
        return Seen(report, now)


class Asker:
    """Asks in a thread of its own, so that the view goes on while a host is slow."""

    def __init__(self, ask: Callable[[], Report], every_s: float) -> None:
        self.every_s = every_s
        self.seen = Seen()
        self.rounds = 0
        self._ask = ask
        self._new = threading.Condition()
        threading.Thread(target=self._run, name="asker", daemon=True).start()

    def _run(self) -> None:
        while True:
            began = time.monotonic()
            try:
                seen = self.seen.after(self._ask(), time.time())
            except Exception as error:  # noqa: BLE001 - a view that stops would look like one that is well
                seen = replace(self.seen, error=plain(f"{type(error).__name__}: {error}", 300))
            with self._new:
                self.seen, self.rounds = seen, self.rounds + 1
                self._new.notify_all()
            time.sleep(max(0.2, self.every_s - (time.monotonic() - began)))

    def wait(self, rounds: int, timeout_s: float | None = None) -> int:
        """Wait until there were more rounds than that; return how many there were."""
        with self._new:
            self._new.wait_for(lambda: self.rounds > rounds, timeout_s)
            return self.rounds


def watch(asker: Asker, console: Console) -> None:
    """Show the status on the whole terminal until Ctrl-C, which is raised."""
    rounds = 0
    with Live(
        view(asker.seen, time.time(), asker.every_s),
        console=console, screen=True, auto_refresh=False, redirect_stdout=False,
        redirect_stderr=False,
    ) as live:  # fmt: skip
        while True:
            rounds = asker.wait(rounds, TICK_S)
            live.update(view(asker.seen, time.time(), asker.every_s), refresh=True)


def blocks(asker: Asker, print_: Callable[[str], Any]) -> None:
    """Print a block of lines for each round, for a pipe or a file."""
    rounds = 0
    while True:
        rounds = asker.wait(rounds)
        for line in block(asker.seen, time.time()):
            print_(line)


def block(seen: Seen, now: float) -> list[str]:
    """Return the lines of one round: a head with the time, then the report's own."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    if seen.report is None:
        return [f"--- {moment}  cannot tell: {seen.error or 'not asked yet'}"]
    if seen.error:
        old = f"cannot tell: {seen.error}; the lines below are {span(now - seen.at)} old"
        return [f"--- {moment}  {old}", *seen.report.lines()]
    return [f"--- {moment}  {WORDS[seen.report.verdict]}", *seen.report.lines()]


def view(seen: Seen, now: float, every_s: float) -> RenderableType:
    """Return the whole screen. Words of others are text here, never markup or control."""
    report = seen.report
    if report is None:
        text = f"cannot tell: {seen.error}" if seen.error else "asking for the first time"
        return Group(Text("clawkeep status", "bold"), Text(text, "bold red" if seen.error else ""))
    age = span(now - seen.at)
    verdict = report.verdict
    head = Text.assemble(
        (f"{plain(report.guest.name)} on {plain(report.host)}  ", "bold"),
        ("cannot tell", STYLES[Verdict.UNKNOWN]) if seen.error
        else (WORDS[verdict], STYLES[verdict]),
        (f"  {age} ago, every {every_s:.0f} s; Ctrl-C ends", "dim"),
    )  # fmt: skip
    parts: list[RenderableType] = [head]
    if seen.error:
        away = f"The host does not answer: {seen.error}. All below is {age} old."
        parts.append(Text(away, "bold white on red"))
    old = "dim" if seen.error else ""
    lines = [line for line in report.lines() if not line.startswith("DOOR")]
    parts += [Text(""), *(Text(plain(line, 400), old, overflow="ellipsis", no_wrap=True)
                          for line in lines), Text(""), _doors(report, old)]  # fmt: skip
    return Group(*parts)


def _doors(report: Report, old: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), style=old, header_style="bold")
    for name, how in (("DOOR", {}), ("STATE", {}), ("FROM", {}), ("TO", {}),
                      ("MS", {"justify": "right"}), ("PROBE SAW", {"ratio": 1})):  # fmt: skip
        table.add_column(name, no_wrap=True, overflow="ellipsis", **how)
    for door in report.doors:
        table.add_row(
            Text(plain(door.name)),
            Text(word_of(door), old or STYLES[door.verdict]),
            Text(plain(door.listen)),
            Text(plain(door.target)),
            Text("-" if door.ms is None else str(door.ms)),
            Text(plain(door.evidence) or "-"),
        )
    return table
