"""Secrets from a vault, through a `bw` that answers as the real one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from clawkeep.secrets import SecretError
from clawkeep.secrets.vaultwarden import Vault
from tests.unit.secrets.bw import SESSION, Bw, item

UNLOCK = 'export BW_SESSION="$(bw unlock --raw)"'


@pytest.fixture
def bw(tmp_path: Path) -> Bw:
    stand_in = Bw(tmp_path)
    stand_in.install()
    return stand_in


def vault(bw: Bw, session: str | None = SESSION) -> Vault:
    return Vault(pytest.fail, bw.environment(session))


def test_each_kind_of_field_is_read(bw: Bw) -> None:
    login = {"username": "me", "password": "pw", "uris": []}
    bw.vault(items=[item(1, "anthropic", key="k1", notes="k2") | {"login": login, "notes": "a\nb"}])
    source = vault(bw)
    read = {
        field: source.field("anthropic", field).reveal()
        for field in ("key", "fields.key", "fields.notes", "notes", "login.username",
                      "login.password")
    }  # fmt: skip
    assert read == {
        "key": "k1", "fields.key": "k1", "fields.notes": "k2", "notes": "a\nb",
        "login.username": "me", "login.password": "pw",
    }  # fmt: skip


def test_an_item_is_also_found_by_its_id(bw: Bw) -> None:
    bw.vault(items=[item(1, "twin", k="v1"), item(2, "twin", k="v2")])
    assert vault(bw).field("00000002-0000-4000-8000-000000000000", "k").reveal() == "v2"


def test_part_of_another_items_name_does_not_find_that_item(bw: Bw) -> None:
    bw.vault(items=[item(1, "discord old", token="wrong")])
    with pytest.raises(SecretError, match=r"no item of that name; there is 'discord old'"):
        vault(bw).field("discord", "token")


def test_the_exact_name_is_taken_among_several_that_hold_it(bw: Bw) -> None:
    bw.vault(items=[item(1, "discord old", token="wrong"), item(2, "discord", token="right")])
    assert vault(bw).field("discord", "token").reveal() == "right"


def test_two_items_of_one_name_are_an_error_that_gives_their_ids(bw: Bw) -> None:
    bw.vault(items=[item(1, "twin", k="v1"), item(2, "twin", k="v2")])
    with pytest.raises(SecretError, match=r"by its id: 00000001-[0-9-]+, 00000002-"):
        vault(bw).field("twin", "k")


def test_an_item_that_is_not_there_is_said_to_be_none(bw: Bw) -> None:
    with pytest.raises(SecretError, match=r"the vault has no item of that name$"):
        vault(bw).field("nothing", "k")


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("tokn", "did you mean 'token'"),
        ("zzz", "it may be token, twice, login.password, login.username, notes"),
        ("twice", "has 2 fields of that name"),
        ("notes", "is empty"),
        ("login.password", "is empty"),
        ("empty", "is empty"),
    ],
)
def test_a_field_that_cannot_be_had_is_explained(bw: Bw, field: str, said: str) -> None:
    there = item(1, "discord", token="t", twice=["a", "b"]) | {"notes": None}
    if field == "empty":
        there = item(1, "discord", empty=None)
    bw.vault(items=[there])
    with pytest.raises(SecretError, match=said):
        vault(bw).field("discord", field)


@pytest.mark.parametrize("session", [None, "a key of another unlock"])
def test_a_locked_vault_is_an_error_that_says_how_to_unlock_it(bw: Bw, session: str | None) -> None:
    bw.vault(items=[item(1, "a", k="v")])
    with pytest.raises(SecretError) as caught:
        vault(bw, session).field("a", "k")
    assert UNLOCK in str(caught.value)
    assert not session or session not in str(caught.value)


def test_who_is_not_logged_in_is_told_all_steps(bw: Bw) -> None:
    bw.vault(status="unauthenticated")
    with pytest.raises(SecretError) as caught:
        vault(bw).field("a", "k")
    assert "bw config server" in str(caught.value)
    assert UNLOCK in str(caught.value)


def test_without_bw_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="brew install bitwarden-cli"):
        Vault(pytest.fail, {"PATH": str(tmp_path)}).field("a", "k")


def test_the_copy_is_renewed_once_and_an_item_read_once(bw: Bw) -> None:
    bw.vault(items=[item(1, "a", k="1", l="2"), item(2, "b", k="3")])
    source = vault(bw)
    assert [source.field(*f).reveal() for f in (("a", "k"), ("a", "l"), ("b", "k"))] == list("123")
    words = [" ".join(call["argv"][2:]) for call in bw.calls()]
    assert words == ["status", "sync", "get item a", "get item b"]


def test_a_server_that_is_down_is_a_warning_with_the_age_of_the_copy_that_serves(bw: Bw) -> None:
    bw.vault(items=[item(1, "a", k="v")], down=f"connect ECONNREFUSED {SESSION}")
    warnings: list[str] = []
    assert Vault(warnings.append, bw.environment()).field("a", "k").reveal() == "v"
    [warning] = warnings
    assert "https://vault.example could not be asked" in warning
    assert "copy of 2026-11-21T11:23:18.117Z serves" in warning
    assert "ECONNREFUSED <BW_SESSION>" in warning


def test_what_other_versions_say_before_the_answer_is_passed_over(bw: Bw) -> None:
    bw.vault(items=[item(1, "a", k="v")], chatter="Session key is invalid.")
    assert vault(bw).field("a", "k").reveal() == "v"


def test_an_answer_that_cannot_be_read_is_an_error_that_does_not_show_it(bw: Bw) -> None:
    bw.vault(garbage="planted-value")
    with pytest.raises(SecretError, match="left with 3 and no answer") as caught:
        vault(bw).field("a", "k")
    assert "planted-value" not in str(caught.value)


def test_the_session_key_is_on_no_command_line_and_bw_is_told_not_to_chatter(bw: Bw) -> None:
    bw.vault(items=[item(1, "a", k="planted-value")])
    environment = bw.environment() | {"BITWARDENCLI_DEBUG": "true"}
    assert Vault(pytest.fail, environment).field("a", "k").reveal() == "planted-value"
    assert bw.calls()
    assert SESSION not in str(bw.calls())
    assert not any(call["debug"] for call in bw.calls())


def test_neither_the_vault_nor_an_error_holds_the_secret_where_it_shows(bw: Bw) -> None:
    bw.vault(items=[item(1, "a", k="planted-value")])
    source = vault(bw)
    source.field("a", "k")
    with pytest.raises(SecretError) as caught:
        source.field("a", "nope")
    assert "planted-value" not in repr(source) + str(caught.value)
