"""The stand-in's repository: the same everywhere, and what its branches differ in."""

import subprocess
from pathlib import Path

import pytest

from tests.nanoclaw import repository
from tests.nanoclaw.repository import Repository, trees


def git(repo: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(repo), *words], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, Repository]:
    folder = tmp_path_factory.mktemp("repositories")
    return repository.build(folder / "one.git"), repository.build(folder / "two.git")


def test_the_same_sources_are_the_same_commits(twice: tuple[Repository, Repository]) -> None:
    one, two = twice

    assert one.commits == two.commits
    assert set(one.commits) == set(trees())
    assert all(len(commit) == 40 for commit in one.commits.values())


def test_a_skill_can_be_merged(twice: tuple[Repository, Repository]) -> None:
    one, _ = twice
    changed = git(one.path, "diff", "--name-status", "main", "skill/discord").split()

    assert git(one.path, "merge-base", "main", "skill/discord").strip() == one.commits["main"]
    assert changed == [
        "A", "src/channels/discord-registered.ts", "A", "src/channels/discord.ts",
        "M", "src/channels/index.ts",
    ]  # fmt: skip


def test_state_is_ignored_and_memory_is_not(
    twice: tuple[Repository, Repository], tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(twice[0].path), "clone")
    clone = tmp_path / "clone"
    for name in ("store/messages.db", "data/ipc/x", "groups/main/notes", "groups/new/CLAUDE.md",
                 "logs/nanoclaw.log", ".env", "dist/index.js"):  # fmt: skip
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).touch()
    (clone / "groups/main/CLAUDE.md").write_text("changed")

    assert git(clone, "status", "--porcelain") == " M groups/main/CLAUDE.md\n"


def test_versions_tell_the_contracts_apart() -> None:
    found = trees()

    assert b'"version": "1.2.52"' in found["main"]["package.json"]
    assert b'"version": "1.1.2"' in found["v1.1"]["package.json"]
    assert b'"version": "1.0.0"' in found["fork"]["package.json"]
    assert found["main"]["package-lock.json"] != found["next"]["package-lock.json"]


def test_no_lock_names_a_registry() -> None:
    locks = [file for name, file in trees()["main"].items() if name.endswith("package-lock.json")]

    assert len(locks) == 2
    assert not any(b'"resolved"' in lock for lock in locks)
