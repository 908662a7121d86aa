"""What the tests do to a guard and its host: requests, a leak, and faults of pf."""

from __future__ import annotations

from typing import Any

from clawkeep.onhost import paths
from clawkeep.onhost.guard import Guard
from clawkeep.render import anchor as render
from tests.unit.guard.host import STOCK, Host

LEAK = ("internet 1.1.1.1:443/tcp",)


class Asked:
    """A request, and its answer."""

    def __init__(self, ask: str, guest: str = "keep") -> None:
        self.ask, self.guest = ask, guest
        self.connection: Any = None
        self.ok: bool | None = None
        self.why = ""

    def answer(self, *, ok: bool, why: str = "") -> None:
        self.ok, self.why = ok, why


def ask(guard: Guard, what: str, guest: str = "keep") -> Asked:
    request = Asked(what, guest)
    guard.serve(request)  # type: ignore[arg-type]
    return request


def off(host: Host) -> None:
    host.pf.enabled, host.pf.tokens = False, []


def no_main(host: Host) -> None:
    host.pf.main = ()


def another_main(host: Host) -> None:
    host.pf.main = ("pass in quick all", *STOCK[1:])


def no_doors(host: Host) -> None:
    del host.pf.anchors[render.ANCHOR]


def no_wall(host: Host) -> None:
    del host.pf.anchors[render.WALL]


def other_doors(host: Host) -> None:
    host.pf.anchors[render.ANCHOR] = "pass quick all"


def other_everything(host: Host) -> None:
    off(host)
    no_main(host)
    host.pf.anchors = {render.ANCHOR: "pass quick all", render.WALL: "pass quick all"}
    paths.ANCHOR_FILE.write_text("pass quick all\n")
