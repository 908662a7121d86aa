"""Finding and reading the declaration."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clawkeep import declared
from clawkeep.config import ConfigError

GOOD = "guest = {'name': 'keep'}\n"
SERVICES = "services:\n  - name: nas\n    port: 18022\n    target: 10.0.30.20:22\n    kind: ssh\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CLAWKEEP_PROJECT", str(tmp_path))
    monkeypatch.delenv("CLAWKEEP_ALLOWLIST", raising=False)
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "all.py").write_text(GOOD)
    (tmp_path / "allowlist.yml").write_text(SERVICES)
    declared.keep.cache_clear()
    yield tmp_path
    declared.keep.cache_clear()


@pytest.mark.usefixtures("project")
def test_the_keep_is_read_from_the_project_wherever_we_are() -> None:
    keep = declared.keep()
    assert keep.guest.name == "keep"
    assert [service.name for service in keep.services] == ["nas"]


def test_another_allowlist_can_be_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = project / "other.yml"
    other.write_text(SERVICES.replace("nas", "files"))
    monkeypatch.setenv("CLAWKEEP_ALLOWLIST", str(other))
    assert declared.keep().services[0].name == "files"


def test_an_error_shows_the_path_as_the_operator_would_write_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    (project / "allowlist.yml").write_text(SERVICES.replace("port", "prot"))
    with pytest.raises(ConfigError, match=r"^allowlist\.yml:3:5: "):
        declared.keep()


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("guest = {\n", ":1:", "is no Python"),
        ("guest = {}\ngust = {'cpu': 8}\n", ":2:", "unknown part 'gust'"),
        ("guest = {}\ngust = {'cpu': 8}\n", ":2:", "did you mean 'guest'?"),
        ("_x = 1\nguest = {'name': nme}\n", ":2:", "NameError: name 'nme' is not defined"),
        ("guest = {'cpu': 0}\n", ":1:", "guest.cpu"),
    ],
)
def test_a_mistake_in_group_data_is_a_problem_with_its_line(
    project: Path, text: str, where: str, what: str
) -> None:
    (project / "group_data" / "all.py").write_text(text)
    with pytest.raises(ConfigError) as caught:
        declared.keep()
    assert f"all.py{where}" in str(caught.value)
    assert what in str(caught.value)


def test_a_folder_that_is_no_project_is_an_error_that_says_what_to_do(project: Path) -> None:
    (project / "group_data" / "all.py").unlink()
    with pytest.raises(ConfigError, match=r"expected the declared host.*CLAWKEEP_PROJECT"):
        declared.keep()
