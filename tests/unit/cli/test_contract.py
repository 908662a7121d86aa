"""`clawkeep contract`: its three forms, and what it says to a broken declaration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clawkeep import cli, declared

pytestmark = pytest.mark.usefixtures("project")


def test_it_prints_prose_markdown_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["contract"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Contract of the keep `nanoclaw-vm`\n\nWHAT IT IS ABOUT\n  - ")
    assert max(map(len, text.splitlines())) <= 96
    assert cli.main(["contract", "--markdown"]) == 0
    assert capsys.readouterr().out.startswith("# Contract of the keep `nanoclaw-vm`\n\n## What it")
    assert cli.main(["contract", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["guest"] == "nanoclaw-vm"
    assert data["digest"] == declared.keep().digest


def test_one_form_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["contract", "--json", "--markdown"])
    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_a_broken_declaration_is_1_with_its_place(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "allowlist.yml").write_text("services:\n  - nam: x\n")
    assert cli.main(["contract"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "allowlist.yml:2:5: unknown key 'nam'" in captured.err
