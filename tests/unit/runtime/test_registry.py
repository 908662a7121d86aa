"""A group's agent user: the same for ever, nobody else's, and the first for main alone."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from roles.agent.guest.runtime.registry import user_of
from roles.agent.guest.runtime.settings import Limits, Refused, Settings


def settings(folder: Path, agents: int = 3) -> Settings:
    (folder / "state").mkdir(exist_ok=True)
    names = ("claw-agent", *(f"claw-agent-{n}" for n in range(1, agents)))
    return Settings(
        str(folder), "/bin/true", "claw", names, Limits(None, None, None, None),
        frozenset(), inject=False, enabled=True, denied=frozenset(), sandbox=True,
    )  # fmt: skip


def test_users_are_given_in_order_and_kept(tmp_path: Path) -> None:
    known = settings(tmp_path)
    assert user_of("family", False, known) == "claw-agent-1"
    assert user_of("main", True, known) == "claw-agent"
    assert user_of("work", False, known) == "claw-agent-2"
    assert user_of("family", False, settings(tmp_path, 8)) == "claw-agent-1"
    # Being main or not changes no files' owner, so it changes no user either.
    assert user_of("family", True, known) == "claw-agent-1"
    assert user_of("main", False, known) == "claw-agent"
    assert (tmp_path / "state" / "agents.json").stat().st_mode & 0o777 == 0o600


def test_the_first_user_waits_for_main(tmp_path: Path) -> None:
    known = settings(tmp_path, 2)
    assert user_of("family", False, known) == "claw-agent-1"
    with pytest.raises(Refused, match=r"all 2 agent users are taken; raise agent\.users"):
        user_of("work", False, known)
    assert user_of("main", True, known) == "claw-agent"
    assert user_of("work", False, settings(tmp_path, 3)) == "claw-agent-2"


def test_a_second_main_group_has_a_user_of_its_own(tmp_path: Path) -> None:
    known = settings(tmp_path)
    assert user_of("main", True, known) == "claw-agent"
    assert user_of("second", True, known) == "claw-agent-1"


def test_a_user_that_left_the_pool_is_not_replaced(tmp_path: Path) -> None:
    assert user_of("a", False, settings(tmp_path)) == "claw-agent-1"
    assert user_of("b", False, settings(tmp_path)) == "claw-agent-2"
    with pytest.raises(Refused, match=r"no agent user any more; raise agent\.users again"):
        user_of("b", False, settings(tmp_path, 2))


def test_names_that_one_folder_would_have_on_a_mac(tmp_path: Path) -> None:
    user_of("family", False, settings(tmp_path))
    with pytest.raises(Refused, match="by case alone"):
        user_of("Family", False, settings(tmp_path))


@pytest.mark.parametrize(
    "text", ["{", "[]", json.dumps({"a": "claw-agent-1", "b": "claw-agent-1"})]
)
def test_a_registry_that_cannot_be_trusted_stops_everything(tmp_path: Path, text: str) -> None:
    known = settings(tmp_path)
    (tmp_path / "state" / "agents.json").write_text(text)
    with pytest.raises(Refused, match=r"agents\.json"):
        user_of("a", False, known)


def _ask(folder: Path, name: str) -> None:
    user_of(name, False, settings(folder, 20))


def test_groups_that_start_at_once_get_different_users(tmp_path: Path) -> None:
    settings(tmp_path)
    several = [multiprocessing.Process(target=_ask, args=(tmp_path, f"g{n}")) for n in range(12)]
    for process in several:
        process.start()
    for process in several:
        process.join()
    given = json.loads((tmp_path / "state" / "agents.json").read_text())
    assert len(given) == len(set(given.values())) == 12
