"""Mistakes in `agent`, with their places."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from clawkeep.config import ConfigError, load_keep
from clawkeep.model import Keep

GUEST = 'guest = {\n    "packages": ["node@22"],\n}\n'


def load(folder: Path, text: str) -> Keep:
    (folder / "all.py").write_text(text)
    (folder / "allowlist.yml").write_text("services: []\n")
    values = runpy.run_path(str(folder / "all.py"))
    return load_keep(
        folder / "allowlist.yml",
        values.get("host", {}),
        values.get("guest", {}),
        agent=values.get("agent"),
        group_data=folder,
    )


def test_no_agent_is_none_and_not_an_empty_one(tmp_path: Path) -> None:
    assert load(tmp_path, GUEST + "agent = None\n").agent is None


def test_a_sound_agent_is_read(tmp_path: Path) -> None:
    keep = load(tmp_path, GUEST + 'agent = {"secrets": {"ANTHROPIC_API_KEY": "sealed:key"}}\n')
    assert keep.agent is not None
    assert keep.agent.profile == "v1.2"


@pytest.mark.parametrize(
    ("lines", "place", "what"),
    [
        (['"profile": "v2",'], "5:16", "agent.profile: 'v2' is not supported: it needs pnpm"),
        (['"profil": "v1.2",'], "5:15", "agent: unknown key 'profil'; did you mean 'profile'?"),
        (['"commit": "b8cf308",'], "5:15", "agent.commit: 'b8cf308' is only the beginning"),
        (['"skills": [{"brnch": "x"}],'], "5:26", "agent.skills[0]: unknown key 'brnch'; did you"),
        (['"env": {', '"X": None},'], "6:10", "agent.env.X: text, a whole number, True or False"),
        (['"env": {', '"LOG_LVL": "x"},'], "6:16", "agent.env.LOG_LVL: unknown key; did you mean"),
        (['"limits": {"cpu": 1},'], "5:23", "agent.limits: unknown key 'cpu'; did you mean"),
        (['"users": 0,'], "5:14", "agent.users: 0 does not fit; it must be at least 1"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(
    tmp_path: Path, lines: list[str], place: str, what: str
) -> None:
    text = "\n".join(f"    {line}" for line in lines)
    secrets = '    "secrets": {"ANTHROPIC_API_KEY": "sealed:key"},\n'
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"{GUEST}agent = {{\n{text}\n{secrets}}}\n")
    assert f"all.py:{place}: {what}" in str(caught.value)


def test_a_share_that_nanoclaw_cannot_use_is_reported_where_it_is_declared(tmp_path: Path) -> None:
    guest = 'guest = {\n    "packages": ["node@22"],\n    "mounts": ["groups:~/x/groups:ro"],\n}\n'
    agent = 'agent = {"secrets": {"ANTHROPIC_API_KEY": "sealed:key"}}\n'
    with pytest.raises(ConfigError, match=r"all\.py:3:16: guest\.mounts\[0\]: mount 'groups' is"):
        load(tmp_path, guest + agent)


def test_a_secret_that_stands_there_in_clear_is_not_repeated(tmp_path: Path) -> None:
    agent = 'agent = {"secrets": {"ANTHROPIC_API_KEY": "sk-ant-sesame"}}\n'
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GUEST + agent)
    assert "all.py:4:43: agent.secrets.ANTHROPIC_API_KEY: " in str(caught.value)
    assert "vaultwarden:item#field" in str(caught.value)
    assert "sesame" not in str(caught.value)
