"""What pf refused, from its own words."""

from __future__ import annotations

from clawkeep.traffic.counters import Counter, counters, moved

ANCHOR = "com.apple/000.clawkeep"

TEXT = """\
pass in quick on bridge100 inet proto tcp from 192.168.64.2 to 192.168.64.1 port = 18443 \
flags S/SA keep state label "clawkeep-svc-vaultwarden"
  [ Evaluations: 135       Packets: 281       Bytes: 92774       States: 2     ]
  [ Inserted: uid 0 pid 934 ]
block return in quick on bridge100 inet all label "clawkeep-deny4"
  [ Evaluations: 87        Packets: 3         Bytes: 180         States: 0     ]
  [ Inserted: uid 0 pid 934 ]
block drop out quick on bridge100 all label "clawkeep-deny-out"
  [ Evaluations: 87        Packets: 1         Bytes: 60          States: 0     ]
  [ Inserted: uid 0 pid 934 ]
block drop in quick on bridge101 inet6 all label "clawkeep-deny6"
  [ Evaluations: 0         Packets: 0         Bytes: 0           States: 0     ]
  [ Inserted: uid 0 pid 934 ]
block drop in quick on en0 inet6 all label "somebody-else"
  [ Evaluations: 9         Packets: 9         Bytes: 9           States: 0     ]
  [ Inserted: uid 0 pid 934 ]
"""

DENY4 = (ANCHOR, "bridge100", "deny4")


def test_only_our_refusals_are_counted() -> None:
    assert counters(ANCHOR, TEXT) == {
        DENY4: Counter(3, 180, "934"),
        (ANCHOR, "bridge100", "deny-out"): Counter(1, 60, "934"),
        (ANCHOR, "bridge101", "deny6"): Counter(0, 0, "934"),
    }


def test_one_row_for_each_counter_that_moved() -> None:
    before = counters(ANCHOR, TEXT)
    after = before | {DENY4: Counter(5, 300, "934")}
    (row,) = moved(before, after, now=1000.0)
    assert (row.service, row.peer, row.target) == ("deny4", "bridge100", ANCHOR)
    assert (row.count, row.bytes_out, row.bytes_in) == (2, 120, None)
    assert row.verdict == "denied"
    assert list(moved(after, after, now=1000.0)) == []


def test_what_was_refused_on_the_way_to_the_guest_counts_as_such() -> None:
    rows = moved({}, counters(ANCHOR, TEXT), now=1000.0)
    assert {row.service: (row.bytes_in, row.bytes_out) for row in rows} == {
        "deny4": (None, 180),
        "deny-out": (60, None),
    }


def test_rules_loaded_anew_begin_at_zero() -> None:
    before = {DENY4: Counter(100, 6000, "934")}
    fewer = {DENY4: Counter(4, 240, "934")}
    more = {DENY4: Counter(130, 7800, "1200")}
    assert [row.count for row in moved(before, fewer, now=1.0)] == [4]
    assert [row.count for row in moved(before, more, now=1.0)] == [130]


def test_words_that_are_no_counts_are_no_counters() -> None:
    hostile = TEXT.replace("Packets: 3 ", f"Packets: {'9' * 40} ")
    assert DENY4 not in counters(ANCHOR, hostile)
    assert counters(ANCHOR, "garbage\n  [ Evaluations: 1 Packets: 1 Bytes: 1 States: 0 ]\n") == {}
