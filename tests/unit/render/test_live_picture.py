"""The picture of what is so now: doors that were asked have a state, others stay as they are."""

from __future__ import annotations

from clawkeep.render.diagram import Picture, Way, live

ASKED = Way(("nas", "gateway:18022"), "SSH", ("10.0.30.20:22",))
UNASKED = Way(("web", "gateway:18080"), "HTTP", ("10.0.30.20:80",))
OUT = Way((), "TCP 443", ("1.0.0.0/24",))
GRANTED = Way(("brief", "gateway:19000"), "tcp", ("10.0.30.9:1",), "ok")
SEEN = Picture(("guest",), ("softnet",), ("pf",), (ASKED, UNASKED, OUT), (), "outside")


def test_every_way_is_still_there_and_what_was_asked_says_how_it_is() -> None:
    now = live(SEEN, {"nas": ("bad", "no answer")}, guest="runs", pf="in force", more=(GRANTED,))
    told = Way((*ASKED.gate, "no answer"), ASKED.how, ASKED.far, "bad")
    assert now.ways == (told, UNASKED, OUT, GRANTED)
    assert (now.guest, now.pf) == (("guest", "runs"), ("pf", "in force"))
    assert (now.softnet, now.folders, now.outside) == (SEEN.softnet, SEEN.folders, SEEN.outside)
