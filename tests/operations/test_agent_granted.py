"""What agents may use of skills, from the operator's side: answers in, commands out."""

from __future__ import annotations

import json
import plistlib
from typing import Any

from clawkeep.model import Agent, Guest, Keep
from clawkeep.skills.catalog.say import Say
from clawkeep.skills.granted import CONFIGURATION, configuration
from roles.agent.granted import granted
from tests.operations.harness import Machine, described


def keep_of(**values: Any) -> Keep:
    agent = Agent.model_validate({"secrets": {"ANTHROPIC_API_KEY": "sealed:key"}, **values})
    return Keep(guest=Guest(packages=("node@22",)), agent=agent, skills={"say": Say()})


def brought_about(
    keep: Keep, *, first: bool = True, **answers: Any
) -> tuple[list[dict[str, Any]], Machine]:
    nothing = {"files *": "", "agent job *": "\n@@\n" * 4, "tool server": "", "agent state": ""}
    machine = Machine({**nothing, **{key.replace("_", " "): text for key, text in answers.items()}})
    commands = machine.commands(lambda: granted("g", keep, first=first))
    return [described(command) for command in commands], machine


def test_the_list_is_laid_down_and_the_tool_server_is_loaded() -> None:
    (files, job), _ = brought_about(keep_of())
    assert CONFIGURATION in str(files)
    assert job["values"][:2] == ["claw", "com.nanoclaw.tools"]
    program = plistlib.loads(job["stdin"].encode())["ProgramArguments"]
    assert program == ["/usr/bin/python3", "-IS", "/usr/local/clawkeep/libexec/tools"]


def test_without_a_tool_for_any_group_the_server_goes_and_is_not_missed_twice() -> None:
    keep = keep_of(group_skills={})
    assert json.loads(configuration(keep))["skills"] == {}
    (_, removal), machine = brought_about(keep, tool_server="loaded\nplist\n")
    assert removal["values"][:2] == ["claw", "com.nanoclaw.tools"]
    assert machine.noops == []
    (_,), machine = brought_about(keep)
    assert machine.noops == ["there is no tool server"]


def test_an_agent_that_is_not_there_yet_gets_its_tools_from_the_phase_that_makes_it() -> None:
    commands, machine = brought_about(keep_of(), first=False, agent_state=["", 1])
    assert len(commands) == 1
    assert machine.noops == [
        "com.nanoclaw.tools is loaded by the phase agent, which was not run yet"
    ]
    commands, _ = brought_about(keep_of(), first=False)
    assert commands[-1]["values"][:2] == ["claw", "com.nanoclaw.tools"]
