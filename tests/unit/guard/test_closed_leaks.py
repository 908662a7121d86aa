"""A leak that the canary sees while the guard knows no link of the guest."""

from __future__ import annotations

from clawkeep.onhost.guard import GRACE_S
from tests.unit.guard.host import Host


def test_a_leak_of_a_guest_without_a_link_cuts_it_off(host: Host) -> None:
    guard = host.guard()
    host.start("keep")
    host.address = ""
    host.pass_time(guard, 70)
    assert guard.record.state == "closed"
    host.canary("red", leaks=["10.0.10.2:22 answered"])
    host.pass_time(guard, 5)
    assert guard.record.state == "cut"
    assert "got through although all is closed" in guard.record.why
    host.pass_time(guard, GRACE_S + 2, step=2)
    assert host.signals[:1] == ["gui/501/com.nanoclaw.vm"]
