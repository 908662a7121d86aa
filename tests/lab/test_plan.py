"""`clawkeep plan` says what a converge would change, and the converge then changes that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.lab.keep import Built, changed

pytestmark = pytest.mark.lab

SSHD = "/etc/ssh/sshd_config.d/010-clawkeep.conf"
# A job that the guard does not mend by itself.
JOB = "com.nanoclaw.traffic"
PLIST = f"/Library/LaunchDaemons/{JOB}.plist"


def plan(keep: Built, status: int, *words: str) -> list[dict[str, Any]]:
    """Return the changes of a plan, which must end with that exit status and mutate nothing."""
    before = len(keep.lab.calls())
    done = keep.clawkeep("plan", "--json", *words)
    assert done.returncode == status, done.stderr
    assert keep.mutations(before) == []
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_as_declared_there_is_nothing_to_change(keep: Built) -> None:
    assert plan(keep, 0) == []


def test_what_was_changed_by_hand_is_shown_with_what_it_was(keep: Built) -> None:
    keep.guest(f"echo 'PermitRootLogin yes' >> {SSHD}")
    keep.host(f"sed -i.bak s/RunAtLoad/RunNever/ {PLIST} && rm {PLIST}.bak")
    changes = {one["resource"]: one for one in plan(keep, 2) if one["resource"]}
    assert changes.keys() == {SSHD, JOB}
    assert (changes[SSHD]["sign"], changes[SSHD]["why"]) == ("~", "content")
    assert "\n-PermitRootLogin yes" in changes[SSHD]["diff"]
    assert "RunNever" in changes[JOB]["diff"]
    assert "\n+\t<key>RunAtLoad</key>" in changes[JOB]["diff"]
    said = keep.clawkeep("plan", "network").stdout
    assert f"  ~ {JOB}: content" in said
    assert SSHD not in said
    operations = {one["operation"] for one in changes.values()}
    assert set(changed(keep.converge())) == operations


@pytest.mark.slow
def test_a_door_that_comes_and_one_that_goes(keep: Built) -> None:
    text = (keep.project / "allowlist.yml").read_text()
    keep.allowlist(text.replace("port: 18022", "port: 18023"))
    changes = plan(keep, 2)
    doors = [(one["sign"], one["why"]) for one in changes if "truenas-ssh :" in one["why"]]
    assert [(sign, why.split(" -> ")[0]) for sign, why in doors] == [
        ("-", "- truenas-ssh :18022"),
        ("+", "+ truenas-ssh :18023"),
    ]
    keep.allowlist(text)
    assert plan(keep, 0) == []


def test_what_is_wrong_is_no_plan(keep: Built) -> None:
    text = (keep.project / "allowlist.yml").read_text()
    keep.allowlist(text.replace("port: 18022", "port: many"))
    done = keep.clawkeep("plan")
    keep.allowlist(text)
    assert (done.returncode, done.stdout) == (1, "")
    assert "allowlist.yml:" in done.stderr
    assert keep.clawkeep("plan", "netwrok").returncode == 1
