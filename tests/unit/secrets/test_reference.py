"""References: what is one, and what is said of what is none."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clawkeep.secrets.reference import FORMS, PLAIN, BadReferenceError, Reference, parse

GOOD = {
    "vaultwarden:anthropic#key": Reference("vaultwarden", "anthropic", "key"),
    "vaultwarden:Anthropic API (keep)#login.password": Reference(
        "vaultwarden", "Anthropic API (keep)", "login.password"
    ),
    "vaultwarden:99ee88d2-6046-4ea7-92c2-acac464b1412#notes": Reference(
        "vaultwarden", "99ee88d2-6046-4ea7-92c2-acac464b1412", "notes"
    ),
    "vaultwarden:a:b/c#d e": Reference("vaultwarden", "a:b/c", "d e"),
    "keychain:claude/me@example.net": Reference("keychain", "claude", "me@example.net"),
    "keychain:https://x/y/me": Reference("keychain", "https://x/y", "me"),
    "sealed:anthropic": Reference("sealed", "anthropic"),
    "sealed:discord.bot-token_2": Reference("sealed", "discord.bot-token_2"),
    "env:ANTHROPIC_API_KEY": Reference("env", "ANTHROPIC_API_KEY"),
}


@pytest.mark.parametrize(("text", "reference"), GOOD.items(), ids=GOOD.keys())
def test_a_reference_is_read_and_written_alike(text: str, reference: Reference) -> None:
    assert parse(text) == reference
    assert str(reference) == text


BAD = {
    "vaultwarden:anthropic": "expected vaultwarden:item#field",
    "vaultwarden:#key": "expected vaultwarden:item#field",
    "vaultwarden:item#": "expected vaultwarden:item#field",
    "vaultwarden:a#b#c": "the id, when the name holds a #",
    "vaultwarden: a#b": "expected vaultwarden:item#field",
    "vaultwarden:a\nb#c": "expected vaultwarden:item#field",
    "vaultwarden:--help#c": "begins with a hyphen is named by its id",
    "keychain:service": "expected keychain:service/account",
    "keychain:/account": "expected keychain:service/account",
    "keychain:service/": "expected keychain:service/account",
    "sealed:": "1 to 64 letters",
    "sealed:../etc/passwd": "1 to 64 letters",
    "sealed:-x": "1 to 64 letters",
    "sealed:" + "a" * 65: "1 to 64 letters",
    "env:$HOME": "without a $",
    "env:2X": "expected env:NAME",
    "vaultwardn:a#b": "unknown scheme 'vaultwardn'; did you mean vaultwarden:item#field?",
    "vault:a#b": "unknown scheme 'vault'; did you mean vaultwarden:item#field?",
    "bw:a#b": "did you mean vaultwarden:item#field?",
    "Sealed:a": "unknown scheme 'Sealed'; did you mean sealed:name?",
}


@pytest.mark.parametrize(("text", "said"), BAD.items(), ids=BAD.keys())
def test_what_is_almost_a_reference_is_said_to_be_what_it_should_be(text: str, said: str) -> None:
    with pytest.raises(BadReferenceError) as caught:
        parse(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        "sk-ant-api03-0123456789abcdefABCDEF",
        "hunter2:with-a-colon",
        "https://user:pass@host/",
        "MTk4NjIy.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
        "",
    ],
)
def test_a_secret_in_place_of_its_reference_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(BadReferenceError) as caught:
        parse(value)
    assert "clawkeep secrets seal NAME" in str(caught.value)
    assert all(form in str(caught.value) for form in FORMS.values())
    for part in value.split(":"):
        assert not part or part not in str(caught.value)


@pytest.mark.parametrize("value", [None, 20260101123, 3.5, True, ["x"], {"a": "b"}, b"sealed:a"])
def test_what_is_no_text_is_refused_and_not_shown(value: object) -> None:
    with pytest.raises(BadReferenceError, match="a reference is expected here") as caught:
        parse(value)
    assert repr(value) not in str(caught.value)


@given(st.sampled_from(["", "x:", *(f"{scheme}:" for scheme in FORMS)]), st.text(min_size=6))
def test_no_refusal_shows_what_was_written(scheme: str, text: str) -> None:
    assume(text not in PLAIN and not any(text in form for form in FORMS.values()))
    try:
        said = str(parse(scheme + text))
        assert said == scheme + text
    except BadReferenceError as error:
        said = str(error)
        assert text not in said
