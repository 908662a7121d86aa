"""What the agent role lays down in the guest, and where it lets a build go."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import PyinfraError

from clawkeep.model import Agent, Guest, Keep
from roles.agent import checkout, runtime
from roles.bundle import Directory, File
from tests.unit.roles.test_homebrew import Guest as FakeGuest


def keep_of(**values: Any) -> tuple[Keep, Agent]:
    agent = Agent.model_validate({"secrets": {"ANTHROPIC_API_KEY": "sealed:key"}, **values})
    return Keep(guest=Guest(packages=("node@22",)), agent=agent), agent


def test_the_service_user_becomes_agents_by_one_program_and_never_root(tmp_path: Path) -> None:
    text = runtime.sudoers("claw", keep_of(users=2)[1]).decode()
    defaults, rule = [line for line in text.splitlines() if not line.startswith("#")]
    # Debian's sudo has it set: with a terminal of its own, an agent would get its stdin from there.
    assert defaults == "Defaults:claw !requiretty, !use_pty"
    who, _, commands = rule.partition(" NOPASSWD: ")
    assert who == "claw ALL = (claw-agent, claw-agent-1)"
    for command in commands.split(", "):
        words = command.split()
        assert words[:2] == ["/usr/bin/python3", "-IS"]
        assert words[2] == "/usr/local/clawkeep/bin/docker"
        assert words[3].startswith("__")
    if visudo := shutil.which("visudo"):
        (tmp_path / "sudoers").write_text(text)
        subprocess.run([visudo, "-c", "-f", str(tmp_path / "sudoers")], check=True)


def test_the_runtime_is_told_what_is_declared() -> None:
    data = json.loads(runtime.configuration(*keep_of(profile="v1.1", groups_denied=["kids"])))
    assert data["node"] == "/opt/homebrew/opt/node@22/bin/node"
    assert (data["binary"], data["profile"], data["credentials"]) == ("docker", "v1.1", "stdin")
    assert data["enabled"] is True
    assert data["groups_denied"] == ["kids"]
    assert data["agents"][0] == "claw-agent"
    assert not {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HOME", "PATH"} & set(data["env"])
    inject = json.loads(runtime.configuration(*keep_of()))
    assert inject["credentials"] == "inject"


def test_all_that_runs_agents_is_root_s_and_nobody_else_s_to_write() -> None:
    for entry in runtime.files(*keep_of()):
        if entry.path == "/opt/nanoclaw":
            assert (entry.owner, entry.group, entry.mode) == ("claw", "claw-agent", "755")
            continue
        assert (entry.owner, entry.group) == ("root", "wheel"), entry.path
        assert not int(entry.mode, 8) & 0o022, entry.path


def test_nothing_is_laid_down_below_what_others_could_move() -> None:
    entries = runtime.files(*keep_of())
    folders = {entry.path for entry in entries if isinstance(entry, Directory)}
    for entry in entries:
        if isinstance(entry, File) and entry.path.startswith("/usr/local/"):
            assert str(Path(entry.path).parent) in folders


def test_the_guest_s_programs_need_its_own_python_and_each_other_alone() -> None:
    programs = runtime.guest_programs()
    assert {"checkout.py", "recognise.py", "paths.py"} <= set(programs)
    for name, content in programs.items():
        tree = ast.parse(content, feature_version=(3, 9))
        for node in ast.walk(tree):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                top = module.split(".")[0]
                known = top in sys.stdlib_module_names or f"{top}.py" in programs
                assert known, f"{name} imports {module}"


# --- where a build may go


def test_a_build_reaches_github_its_sources_and_the_registry() -> None:
    _, agent = keep_of(repository="/Volumes/My Shared Files/ipc/x.git", commit="1" * 40)
    assert checkout.build_domains(agent, "https://npm.example/") == (
        "github.com",
        "api.github.com",
        "codeload.github.com",
        ".githubusercontent.com",
        "npm.example",
    )


def test_the_registry_is_asked_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = FakeGuest("https://npm.example/", monkeypatch)
    with guest.current():
        assert checkout.npm_registry() == "https://npm.example/"
    assert "npm" in guest.asked[0]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ("", "names no registry"),
        ("https://me:sesame@npm.example/", "has credentials"),
        ("http://npm.example/", "expected https:// on port 443"),
        ("https://npm.example:8443/", "expected https:// on port 443"),
        ("https://10.0.0.1/", "expected https:// on port 443"),
        ("https://npm.example:port/", "expected https:// on port 443"),
    ],
)
def test_a_registry_that_the_window_cannot_lead_to_ends_the_run(
    says: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = FakeGuest(says, monkeypatch)
    with guest.current(), pytest.raises(PyinfraError, match=why) as caught:
        checkout.npm_registry()
    assert "sesame" not in str(caught.value)
