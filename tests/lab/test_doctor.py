"""`clawkeep doctor` on a keep: a state that is planted turns its row, and no other, bad."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.keep import Built

pytestmark = pytest.mark.lab

NO_SLEEP = "pmset -a sleep 0 disksleep 0 autorestart 1"
COPY = "/opt/clawkeep/libexec/softnet"


@pytest.fixture
def awake(keep: Built) -> Iterator[Built]:
    """A host that is prepared as docs/how-to/first-mac.md asks for."""
    assert keep.host(NO_SLEEP).returncode == 0
    yield keep
    keep.host(f"{NO_SLEEP}; [ ! -e {COPY}.away ] || mv {COPY}.away {COPY}")


def rows(keep: Built) -> tuple[int, dict[str, dict[str, Any]]]:
    done = keep.clawkeep("doctor", "--json")
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)["rows"]
    return done.returncode, {f"{row['where']}/{row['name']}": row for row in found}


def test_a_keep_is_ok_but_for_what_only_hardware_shows_and_planted_states_are_seen(
    awake: Built,
) -> None:
    calls = len(awake.lab.calls())
    status, found = rows(awake)
    not_ok = {name: row["verdict"] for name, row in found.items() if row["verdict"] != "ok"}
    # The disk is the machine's that the lab runs on.
    not_ok.pop("host/free disk", None)
    assert not_ok == {"host/Metal": "needs a Mac"}, json.dumps(found, indent=2)
    assert found["guest/SIP"]["value"] == "disabled"
    assert status in (1, 2)
    assert awake.mutations(calls) == []

    awake.host(f"pmset -a sleep 1; mv {COPY} {COPY}.away")
    status, after = rows(awake)
    turned = {name for name in after if after[name]["verdict"] != found[name]["verdict"]}
    assert turned == {"host/sleep", "host/Softnet, root's copy"}
    assert after["host/sleep"]["fix"] == f"sudo {NO_SLEEP}"
    assert after["host/Softnet, root's copy"]["fix"] == "clawkeep apply base"
    assert {after[name]["verdict"] for name in turned} == {"bad"}
    assert status == 1
