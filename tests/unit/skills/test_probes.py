"""Probes as they travel: sent as source, run at once, and silent about secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clawkeep.model import Keep
from clawkeep.skills import proofs, registry
from clawkeep.skills.report import Report, Row
from clawkeep.skills.skill import Options, Scene, Skill, Wants
from clawkeep.skills.tools import Failed, NeedsMac, Tools
from clawkeep.skills.wanted import Wanted, wanted
from clawkeep.verdict import Verdict


def probe(tools: Tools) -> str:
    """One probe for all cases: it does as its question says."""
    for name in tools.question.get("secrets", ()):
        tools.secret(name)
    if "run" in tools.question:
        done = tools.run(*tools.question["run"], timeout_s=0.5, hangs="a prompt")
        return f"{done.status} {done.out}"
    if "mac" in tools.question:
        raise NeedsMac("listen to it")
    if "failed" in tools.question:
        raise Failed(tools.question["failed"])
    if "sleep" in tools.question:
        __import__("time").sleep(tools.question["sleep"])
    return str(1 // tools.question.get("divisor", 1))


def want(name: str, timeout_s: int = 5, **question: Any) -> Wanted:
    skill = Skill("a skill", Options, lambda _o, _s: Wants(), probe, timeout_s)
    return Wanted(name, skill, Options(), Wants(question=question))


def run(home: Path, *skills: Wanted) -> dict[str, tuple[str, str]]:
    done = subprocess.run(
        [sys.executable, "-I", "-"],
        input=proofs.program(skills),
        env={"HOME": str(home), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    found = proofs.judged(done.stdout, skills)
    return {name: (proof["state"], proof["evidence"]) for name, proof in found.items()}


def test_each_outcome_is_told_apart(tmp_path: Path) -> None:
    found = run(
        tmp_path, want("good"), want("bad", failed="no login"), want("mac", mac=True),
        want("broken", divisor=0), want("late", timeout_s=1, sleep=20),
    )  # fmt: skip
    assert found == {
        "good": ("ok", "1"),
        "bad": ("failed", "no login"),
        "mac": ("needs a Mac", "listen to it"),
        "broken": ("failed", "ZeroDivisionError: integer division or modulo by zero"),
        "late": ("failed", "the probe did not end in 1 s"),
    }


def test_a_program_that_hangs_is_ended_with_its_children_and_the_reason(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    script = f"(sleep 2; touch {mark}) & sleep 60"
    found = run(tmp_path, want("hung", run=["/bin/sh", "-c", script]))
    assert found["hung"] == ("failed", "/bin/sh: no answer in 0.5 s: a prompt")
    subprocess.run(["sleep", "2.2"], check=True)
    assert not mark.exists()


def test_secrets_that_were_read_are_not_repeated(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("sesame-77\n")
    token.chmod(0o600)
    asked = want("leaky", secrets=["token"], run=["/bin/echo", "it is sesame-77"])
    assert run(tmp_path, asked)["leaky"] == ("ok", "0 it is <secret>")
    token.chmod(0o644)
    assert run(tmp_path, asked)["leaky"] == ("failed", "~/token has mode 644, expected 600")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"x": {"state": "proved"}}', '{"x": 1}'])
def test_no_answer_is_never_a_pass(text: str) -> None:
    found = proofs.judged(text, [want("x")])["x"]
    assert (found["state"], found["evidence"]) == ("failed", "the guest did not answer")


def test_a_proof_stands_for_what_was_proved_alone() -> None:
    one, other = want("x", divisor=1), want("x", divisor=2)
    proof = proofs.judged('{"x": {"state": "ok", "evidence": ""}}', [one])["x"]
    assert proofs.stands(proof, one)
    assert not proofs.stands(proof, other)
    assert not proofs.stands({**proof, "state": "failed"}, one)
    assert not proofs.stands(None, one)


def test_what_only_a_mac_can_tell_is_never_well() -> None:
    rows = {
        proof: Row("x", "", installed=True, configured=True, proof=proof).verdict
        for proof in ("ok", "failed", "needs a Mac", "never", "outdated")
    }
    assert [proof for proof, verdict in rows.items() if verdict is Verdict.WELL] == ["ok"]
    assert rows["failed"] is Verdict.BAD
    gone = Row("x", "", installed=False, configured=True, proof="ok")
    assert gone.verdict is Verdict.BAD
    assert Report("vm", (gone, Row("y", ""))).verdict is Verdict.BAD
    assert Report("vm", (Row("y", ""),)).verdict is Verdict.UNKNOWN
    assert Report("vm", (Row("y", ""),), error="off").verdict is Verdict.UNKNOWN


def test_every_skill_of_the_registry_has_a_probe_that_compiles_alone() -> None:
    assert {"gh", "kubectl", "ha_api", "truenas", "whisper"} <= registry().keys()
    for name, skill in registry().items():
        one = Wanted(name, skill, Options(), Wants())
        compile(one.probe["source"], name, "exec")
        assert skill.summary


def test_himalaya_is_configured_as_its_version_2_reads_it() -> None:
    doors = [{"name": "imap", "port": 18993, "target": "10.0.0.5:993", "kind": "tls",
              "server_name": "mail.lan"}]  # fmt: skip
    options = registry()["himalaya"].options(email="a@b.c", password="sealed:mail")
    keep = Keep.model_validate({"services": doors, "skills": {"himalaya": options}})
    (skill,) = wanted(keep)
    text = skill.wants.files[".config/himalaya/config.toml"]
    tomllib = pytest.importorskip("tomllib")
    account = tomllib.loads(text)["accounts"]["keep"]
    assert account["imap"] == {
        "server": "imaps://mail.lan:18993",
        "sasl": {
            "plain": {
                "username": "a@b.c",
                "password": {"command": ["/bin/cat", "/Users/claw/.config/clawkeep/mail.password"]},
            }
        },
    }


def test_a_scene_without_the_door_says_so_before_anything_else() -> None:
    options = registry()["ha_api"].options(token="sealed:x")
    with pytest.raises(ValueError, match="needs the door 'home-assistant'"):
        registry()["ha_api"].wants(options, Scene("claw"))
    assert json.dumps(options.model_dump()) == '{"token": "sealed:x", "service": "home-assistant"}'
