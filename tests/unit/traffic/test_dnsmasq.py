"""The resolver's log, line by line as dnsmasq 2.90 wrote it."""

from __future__ import annotations

from calendar import timegm

from clawkeep.onhost.traffic_logs import Log
from clawkeep.onhost.traffic_rotate import REOPEN
from clawkeep.traffic.dnsmasq import rows
from clawkeep.traffic.formats import RESOLVER_LOG
from clawkeep.traffic.rows import Row
from tests.unit.traffic.conftest import NOW, Host

NOV_21 = float(timegm((2026, 11, 21, 8, 34, 28)))
HEAD = "Nov 21 08:34:28 dnsmasq[12886]: "
QUESTION = f"{HEAD}4 192.168.64.2/47258 query[A] kubernetes from 192.168.64.2"
KNOWN = f"{HEAD}4 192.168.64.2/47258 config kubernetes is 192.168.64.1"
UNKNOWN = f"{HEAD}5 192.168.64.2/40965 config aGVsbG8.tunnel.example is NXDOMAIN"


def row(target: str, verdict: str, detail: str, port: int) -> Row:
    return Row(NOV_21, "resolver", "resolver", f"192.168.64.2:{port}", verdict,  # type: ignore[arg-type]
               target=target, detail=detail)  # fmt: skip


def test_an_answer_is_a_row_and_a_name_that_nobody_knows_was_denied() -> None:
    assert rows(KNOWN, NOV_21) == [row("kubernetes", "allowed", "192.168.64.1", 47258)]
    assert rows(UNKNOWN, NOV_21) == [row("aGVsbG8.tunnel.example", "denied", "NXDOMAIN", 40965)]


def test_what_is_no_answer_is_no_row_and_no_strange_line_either() -> None:
    for line in (
        QUESTION,
        f"{HEAD}4 192.168.64.2/47258 config kubernetes is NODATA-IPv6",
        f"{HEAD}started, version 2.90 cache disabled",
        f"{HEAD}warning: no upstream servers configured",
    ):
        assert rows(line, NOV_21) == []


def test_a_line_of_somebody_else_is_strange() -> None:
    for line in ("", "hello", "Nov 21 08:34:28 squid[1]: x", "Foo 99 99:99:99 dnsmasq[1]: x"):
        assert rows(line, NOV_21) is None


def test_the_year_is_the_last_one_that_is_not_to_come() -> None:
    new_year = float(timegm((2027, 1, 1, 0, 0, 5)))
    [found] = rows(UNKNOWN.replace("Nov 21 08:34:28", "Dec 31 23:59:59"), new_year) or []
    assert found.time == new_year - 6


def test_a_name_cannot_pass_for_an_answer() -> None:
    name = "a is 192.168.64.1"
    [found] = rows(f"{HEAD}5 192.168.64.2/4 config {name} is NXDOMAIN", NOV_21) or []
    assert (found.target, found.verdict) == (name, "denied")


def test_the_collector_reads_it_and_knows_whom_to_tell(host: Host) -> None:
    host.log(RESOLVER_LOG, f"{QUESTION}\n{KNOWN}\n{UNKNOWN}\n")
    done = host.collect(NOW)
    assert (done.strange, done.problems) == (0, [])
    assert [found.target for found in host.rows()] == ["kubernetes", "aGVsbG8.tunnel.example"]
    log = Log(f"{RESOLVER_LOG}.1", None, ("1", "2"), 3, 4.0)
    assert REOPEN[log.base] == ("com.nanoclaw.resolver", "SIGUSR2")
