"""What agents may use of the guest's skills: files, verbs and guides of a group, and no other's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep.skills.granted import CONFIGURATION
from lab.lab import Lab
from tests.lab.agent_keep import ROOT, AgentKeep, agent_keep
from tests.lab.skilled import EGRESS
from tests.nanoclaw.repository import Repository

pytestmark = pytest.mark.lab

TOKENS = {"GH_LAB": "ghp_lab_babybot", "HA_LAB": "ha-planted-5521"}
SKILLS = {
    "gh": {"user": "babybot", "token": "env:GH_LAB"},
    "ha_api": {"token": "env:HA_LAB"},
    "say": {},
    "calendar": {},
}
OWN = """---
name: house-rules
description: How this house is run.
---

Nobody turns the heating off.
"""
GRANTS = {"main": ["gh", "ha_api", "say", "calendar"], "*": ["house-rules"]}
MAIN_SKILLS = f"{ROOT}/state/data/sessions/main/.claude/skills"


@pytest.fixture(scope="module")
def granted(agent: AgentKeep) -> AgentKeep:
    agent.built.environment.update(TOKENS)
    own = agent.built.project / "skills" / "house-rules"
    own.mkdir(parents=True)
    (own / "SKILL.md").write_text(OWN)
    agent.without = agent.without.replace(
        '"profiles": ["agent"]', '"profiles": ["agent", "github"]'
    )
    assert "github" in agent.without, EGRESS
    agent.without += f"skills = {SKILLS!r}\n"
    agent.declare(group_skills=GRANTS)
    agent.built.converge("--data", "phase=network,agent,skills")
    return agent


def runs(agent: AgentKeep, script: str, group: str = "") -> str:
    """Return what a command of a group's agent printed."""
    words = ["agent", "say", "--timeout", "40", *(["--group", group, "--create"] if group else [])]
    done = agent.built.clawkeep(*words, f"!bash {script}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


MORE = {
    "kubectl": {"token": "env:KUBE_LAB"},
    "truenas": {"user": "root", "key": "env:NAS_LAB"},
}


def ended(agent: AgentKeep) -> None:
    """End the runs that there are: the next message begins another."""
    agent.guest(f"for r in {ROOT}/runs/*/; do cd {ROOT}/current && sudo -u claw "
                "/usr/local/clawkeep/bin/docker stop -t 5 $(basename $r); done")  # fmt: skip


def test_the_main_groups_agent_uses_its_skills_with_their_tokens(granted: AgentKeep) -> None:
    said = runs(granted, "id -un; ha_api states | head -c 400; gh api user --jq .login; "
                "ls -l .config $HOME/.config/gh/hosts.yml")  # fmt: skip
    assert said.splitlines()[0] == "claw-agent"
    assert '"entity_id"' in said
    assert "babybot" in said.splitlines()[2:][0], said
    visits = [v for v in granted.built.lab.visits() if v.get("host") == "api.github.com"]
    assert visits
    modes = runs(granted, "cd; stat -f '%Lp %Su' .config/gh/hosts.yml "
                 ".config/clawkeep/home-assistant.token")  # fmt: skip
    assert modes.split("\n") == ["600 claw-agent"] * 2


def test_a_verb_is_done_by_the_service_user_in_its_session(granted: AgentKeep) -> None:
    calls = len(granted.built.lab.calls())
    said = runs(granted, "cd $TMPDIR; clawkeep-tool --out said.aiff say speak 'Good morning.' && "
                "head -c 4 said.aiff && stat -f ' %Su' said.aiff; clawkeep-tool say shout x; "
                "clawkeep-tool say speak; clawkeep-tool calendar list 3; echo $?")  # fmt: skip
    assert "FORM claw-agent" in said, said
    assert "say has speak" in said
    assert "text is missing" in said
    assert "Not authorized to send Apple events to Calendar. (-1743); the operator must" in said
    spoken = [c["argv"] for c in granted.built.lab.calls()[calls:] if c["argv"][0].endswith("say")]
    assert len(spoken) == 1, spoken
    assert "Good morning." not in json.dumps(spoken)
    noted = [line for line in granted.journal() if line["event"] == "tool"]
    assert [(line["skill"], line["verb"], line["ok"]) for line in noted] == [
        ("say", "speak", True), ("say", "shout", False), ("say", "speak", False),
        ("calendar", "list", False),
    ]  # fmt: skip
    assert "Good morning" not in json.dumps(noted)


def test_another_group_gets_neither_file_nor_verb_nor_guide(granted: AgentKeep) -> None:
    said = runs(
        granted,
        "id -un; ha_api states; ls -A $HOME; clawkeep-tool say speak hello; "
        f"cat {ROOT}/runs/nanoclaw-main*/home/.config/gh/hosts.yml; ls $HOME/.claude/skills; "
        f"cat /Users/claw/.config/gh/hosts.yml",
        group="family",
    )
    assert said.splitlines()[0] == "claw-agent-1"
    assert "home-assistant.token: No such file" in said
    assert "this group may not use that skill" in said
    assert "Permission denied" in said
    assert "ghp_lab" not in said
    assert "house-rules" in said
    assert "ha-api" not in said


def test_guides_are_there_and_the_operator_sees_who_has_them(granted: AgentKeep) -> None:
    assert granted.guest(f"ls {MAIN_SKILLS}").split() == [
        "calendar", "gh", "ha-api", "house-rules", "say", "status"
    ]  # fmt: skip
    done = granted.built.clawkeep("skills", "--json")
    rows = {row["name"]: row["groups"] for row in json.loads(done.stdout)["skills"]}
    assert rows == {name: ["main"] for name in SKILLS}
    contract = granted.built.clawkeep("contract", "--markdown").stdout
    assert "has the files of `gh` and `ha_api` in its home: it can read the token" in contract


@pytest.mark.slow
def test_what_is_withdrawn_is_gone_at_the_next_run(granted: AgentKeep) -> None:
    mine = "$HOME/.claude/skills/mine"
    runs(granted, f"mkdir -p {mine}; echo hi > {mine}/SKILL.md; echo made")
    granted.declare(group_skills={"main": ["ha_api"]})
    said = granted.apply()
    assert "com.nanoclaw.tools: removed" in said
    # The run that lives keeps its files until it ends, and no verb.
    ended(granted)
    said = runs(
        granted, "ls $HOME/.claude/skills; ls -A $HOME/.config; ha_api services | head -c 9"
    )
    assert set(said.split()) >= {"ha-api", "mine", "status", "clawkeep"}
    assert not {"gh", "say", "house-rules"} & set(said.split())


@pytest.mark.slow
def test_nothing_changes_at_a_second_run(granted: AgentKeep) -> None:
    calls = len(granted.built.lab.calls())
    granted.built.converge("--data", "phase=agent,skills")
    assert granted.built.mutations(calls) == []


@pytest.mark.slow
def test_what_ssh_and_kubectl_need_of_the_doors_is_given_too(granted: AgentKeep) -> None:
    key = granted.built.lab.state.folder / "certificates" / "truenas_ssh.client"
    granted.built.environment |= {"KUBE_LAB": "lab-agent-7d01", "NAS_LAB": key.read_text()}
    granted.without = granted.without.replace(repr(SKILLS), repr(SKILLS | MORE))
    granted.declare(group_skills={"main": ["kubectl", "truenas"]})
    granted.built.converge("--data", "phase=agent,skills")
    ended(granted)
    said = runs(granted, "kubectl get --raw /version; truenas uptime; "
                "cd; stat -f '%Lp %Su' .ssh/skill-truenas-ssh; gh api user 2>&1")  # fmt: skip
    assert '"gitVersion"' in said, said
    assert "truenas-ssh: up" in said, said
    assert "600 claw-agent" in said
    assert "babybot" not in said


@pytest.mark.slow
def test_skills_can_be_there_before_their_agent(
    lab: Lab, tmp_path: Path, stand_in: Repository
) -> None:
    agent = agent_keep(lab, tmp_path, stand_in)
    agent.without += "skills = {'say': {}}\n"
    agent.declare(group_skills={"main": ["say"]})
    agent.built.converge("--data", "phase=base,network,skills")
    assert json.loads(agent.guest(f"cat {CONFIGURATION}"))["skills"]
    assert agent.built.guest("launchctl print gui/$(id -u claw)/com.nanoclaw.tools").returncode != 0
    agent.apply()
    assert agent.built.guest("launchctl print gui/$(id -u claw)/com.nanoclaw.tools").returncode == 0
