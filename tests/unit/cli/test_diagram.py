"""`clawkeep diagram`: to stdout or into a file, in the form that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from clawkeep import cli

pytestmark = pytest.mark.usefixtures("project")


def test_mermaid_goes_to_stdout_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["diagram"]) == 0
    assert capsys.readouterr().out.startswith("flowchart LR\n")
    assert cli.main(["diagram", "--format", "svg"]) == 0
    assert capsys.readouterr().out.startswith("<svg ")


def test_a_file_is_written_in_the_form_of_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diagram", "--output", str(tmp_path / "a.svg")]) == 0
    assert (tmp_path / "a.svg").read_text().startswith("<svg ")
    assert cli.main(["diagram", "--output", str(tmp_path / "a.mmd")]) == 0
    assert (tmp_path / "a.mmd").read_text().startswith("flowchart LR\n")
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_written_is_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["diagram", "--output", str(tmp_path / "no" / "a.svg")]) == 1
    assert "No such file or directory; name a file in a folder that exists" in (
        capsys.readouterr().err
    )


def test_a_broken_declaration_is_1_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "allowlist.yml").write_text("services: 3\n")
    assert cli.main(["diagram", "--output", str(project / "a.svg")]) == 1
    assert "allowlist.yml:1" in capsys.readouterr().err
    assert not (project / "a.svg").exists()
