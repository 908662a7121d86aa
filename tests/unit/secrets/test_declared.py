"""References in group_data: read, or refused with file, line and column."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from clawkeep.config import ConfigError
from clawkeep.config.origin import read_origins
from clawkeep.secrets import Reference
from clawkeep.secrets.declared import read_references

PLANTED = "sk-ant-planted-0123456789"


def read(folder: Path, text: str) -> dict[str, Reference]:
    path = folder / "all.py"
    path.write_text(dedent(text))
    values: dict[str, object] = {}
    exec(path.read_text(), values)
    agent = values["agent"]
    assert isinstance(agent, dict)
    return read_references(agent["secrets"], read_origins(folder))


def test_references_are_read_by_name(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        agent = {
            "secrets": {
                "ANTHROPIC_API_KEY": "vaultwarden:anthropic#key",
                "DISCORD_BOT_TOKEN": "sealed:discord",
            },
        }
        """,
    )
    assert found == {
        "ANTHROPIC_API_KEY": Reference("vaultwarden", "anthropic", "key"),
        "DISCORD_BOT_TOKEN": Reference("sealed", "discord"),
    }


def test_every_mistake_is_said_with_its_place_and_none_with_its_value(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(
            tmp_path,
            f"""
            agent = {{
                "secrets": {{
                    "ANTHROPIC_API_KEY": "{PLANTED}",
                    "GOOD": "env:GOOD",
                    "DISCORD_BOT_TOKEN": "vault:discord#token",
                    "NUMBER": 1234567890123,
                }},
            }}
            """,
        )
    lines = str(caught.value).splitlines()
    file = tmp_path / "all.py"
    assert [line.split(" ")[0] for line in lines] == [f"{file}:{n}:{c}:" for n, c in (
        (4, 30), (6, 30), (7, 19)
    )]  # fmt: skip
    assert "agent.secrets.ANTHROPIC_API_KEY: is no reference" in lines[0]
    assert "did you mean vaultwarden:item#field?" in lines[1]
    assert "a reference is expected here" in lines[2]
    assert PLANTED not in str(caught.value)
    assert "1234567890123" not in str(caught.value)


@pytest.mark.parametrize("written", ["[]", '"sealed:a"', "None", "{1: 'sealed:a'}"])
def test_what_is_no_mapping_of_names_is_refused_with_its_place(
    tmp_path: Path, written: str
) -> None:
    with pytest.raises(ConfigError, match=r"all\.py:1:21: agent\.secrets: "):
        read(tmp_path, f'agent = {{"secrets": {written}}}')
