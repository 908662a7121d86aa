"""One audit as a whole, over machines that say what the test wants."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clawkeep import declared
from clawkeep.audit import run, scene
from clawkeep.audit.check import Check, Machine, State
from clawkeep.audit.scene import Scene
from clawkeep.model import Keep
from clawkeep.skills.report import Report as SkillReport
from clawkeep.skills.report import Row
from clawkeep.target import Target
from clawkeep.transport import TransportError
from clawkeep.verdict import Verdict
from tests.unit.audit.recorded import IFCONFIG

MAC = Target("mac")
IDENTITY = "me\n501\n/Users/me"
ASKED = re.compile(r"^echo '(@@\w+@@) (\w+)'$", re.MULTILINE)


class Session:
    """Answers each question of a script by its name."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers

    def run(self, script: str, _timeout_s: float = 0) -> str:
        return "".join(
            f"{own} {name}\n{self.answers.get(name, '')}\n{own}=0\n"
            for own, name in ASKED.findall(script)
        )

    def guest(self, name: str, _address: str) -> None:
        raise TransportError(f"{name}: no host key is pinned; run the base phase first")

    def close(self) -> None:
        pass


@pytest.fixture
def keep(project: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    monkeypatch.setenv("CLAWKEEP_STATE", str(project / "state"))
    return declared.keep()


def vms(state: str) -> str:
    return json.dumps([{"Name": "nanoclaw-vm", "State": state, "Disk": 50, "Source": "local"}])


def look(keep: Keep, **answers: str) -> Scene:
    return scene.look(Session(**answers), keep, MAC)  # type: ignore[arg-type]


def test_the_scene_of_a_running_guest(keep: Keep) -> None:
    found = look(
        keep, identity=IDENTITY, vms=vms("running"), address="192.168.64.2 agent",
        interfaces=IFCONFIG, pins="nas ssh-ed25519 AAAA nas:22",
    )  # fmt: skip
    assert (found.owner, found.uid, found.home) == ("me", 501, "/Users/me")
    assert (found.gateway, found.guest_address) == ("192.168.64.1", "192.168.64.2")
    assert found.pins.startswith("nas ")


@pytest.mark.parametrize(
    ("state", "address", "why"),
    [
        ("stopped", "192.168.64.2 dhcp", "nanoclaw-vm is stopped"),
        ("running", "", "tart knows no address of nanoclaw-vm"),
        ("running", "10.9.9.9 agent", "no bridge of the host carries"),
    ],
)
def test_without_a_link_it_says_why(keep: Keep, state: str, address: str, why: str) -> None:
    found = look(
        keep, identity=IDENTITY, vms=vms(state), address=address, interfaces=IFCONFIG
    )  # fmt: skip
    assert found.link is None
    assert why in found.why_no_link


def test_what_tart_does_not_say_is_no_absence(keep: Keep) -> None:
    assert "expected a JSON array" in look(keep, identity=IDENTITY).why_no_link


def test_a_host_that_does_not_say_who_it_is_was_not_reached(keep: Keep) -> None:
    with pytest.raises(TransportError):
        look(keep)


CHECKS = [
    Check(Machine.HOST, "prints", "a", "so", {"command": "c", "pattern": "x"}),
    Check(Machine.GUEST, "skill", "gh", "proved"),
    Check(Machine.GUEST, "skill", "say", "proved"),
    Check(Machine.GUEST, "skill", "ha_api", "proved"),
    Check(Machine.KEEP, "policy", "p", "so", {"on": ["guest/skill/gh", "guest/skill/say"]}),
]


def audited(
    keep: Keep, monkeypatch: pytest.MonkeyPatch, skills: SkillReport, only: str | None = None
) -> dict[str, tuple[State, str]]:
    session = Session(identity=IDENTITY, vms=vms("stopped"))
    monkeypatch.setattr(run, "HostSession", lambda _: session)
    monkeypatch.setattr(run, "gather_skills", lambda *_: skills)
    report = run.audit(keep, MAC, lambda *_: CHECKS, only)
    assert report.round_trips <= 2
    return {one.check.target: (one.state, one.found) for one in report.outcomes}


def test_the_matrix_of_skills_is_part_of_it(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (
        Row("gh", "", installed=True, configured=True, proof="ok", evidence="as bot"),
        Row("say", "", installed=True, configured=True, proof="needs a Mac"),
        Row("ha_api", "", installed=False, proof="failed", evidence="401"),
    )
    found = audited(keep, monkeypatch, SkillReport("vm", rows))
    assert found["gh"] == (State.PASSED, "ok: as bot")
    assert found["say"][0] is State.UNKNOWN
    assert found["ha_api"] == (State.FAILED, "failed: 401")
    # A promise rests on the worst of what it rests on, wherever that was learned.
    assert found["p"][0] is State.UNKNOWN


def test_skills_of_a_guest_that_nobody_entered(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = SkillReport("vm", error="vm is stopped", unreached=Verdict.BAD)
    found = audited(keep, monkeypatch, stopped)
    assert found["gh"] == (State.FAILED, "vm is stopped")


def test_a_part_asks_for_what_it_rests_on(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("gh", "", installed=True, configured=True, proof="ok")
    found = audited(keep, monkeypatch, SkillReport("vm", (row,)), only="keep/policy/p")
    assert found.keys() == {"p"}
    assert found["p"][0] is State.UNKNOWN
    with pytest.raises(LookupError):
        audited(keep, monkeypatch, SkillReport("vm"), only="nothing")


def test_the_journal_has_a_line_per_audit(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        audited(keep, monkeypatch, SkillReport("vm", error="gone"))
    (journal,) = Path(declared.project() / "state").rglob("audits.jsonl")
    first, second = (json.loads(line) for line in journal.read_text().splitlines())
    assert (first["verdict"], first["failed"], first["unknown"]) == ("bad", 1, 4)
    assert first["new"]["guest/skill/gh"] == "gone"
    assert (second["failed"], second["new"]) == (1, {})
