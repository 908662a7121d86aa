"""What each kind of hook is sent, whatever the text of an alert is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.alerts import Alert, Event, Hook, HookError, Message
from clawkeep.alerts.hooks import Request, parse

T = 1_800_000_000.0
DISCORD = "https://discord.com/api/webhooks/123456789012345678/AbCdEf-secret-part-0123456789"
NTFY = "https://ntfy.example/keep-topic"


def message(text: str = "pf is off", evidence: str = "", kind: str = "raise") -> Message:
    event = Event("pf", "critical", text, evidence)
    return Message(1, "00ff", "h", "pf", kind, "critical", event.text, event.evidence, T, 1, T + 60)


def discord(text: str, evidence: str = "") -> dict[str, object]:
    request = Hook("d", "discord", DISCORD).request(message(text, evidence), "mini", T + 60)
    assert request.url == DISCORD
    found: dict[str, object] = json.loads(request.body)
    return found


@given(st.text(max_size=3000), st.text(max_size=5000))
def test_discord_gets_at_most_2000_characters_that_call_nobody(text: str, evidence: str) -> None:
    sent = discord(text, evidence)
    content = str(sent["content"])
    assert len(content.encode("utf-16-le")) // 2 <= 2000
    assert sent["allowed_mentions"] == {"parse": []}
    # One code block: no markdown, no link, no mention in it is one.
    assert content.startswith("```\n")
    assert content.endswith("\n```")
    assert "`" not in content[3:-3]


def test_a_message_says_what_where_and_which() -> None:
    content = str(discord("pf is off", "line one\nline two")["content"])
    assert content == "```\nCRITICAL on mini: pf is off\nline one\nline two\npf #00ff\n```"


@pytest.mark.parametrize(
    ("kind", "now", "head"),
    [
        ("repeat", T + 7500, "STILL CRITICAL after 2 h 5 min on mini: pf is off"),
        ("recovery", T + 60, "OVER after 1 min on mini: pf is off"),
        ("test", T + 60, "TEST on mini: pf is off"),
    ],
)
def test_how_it_begins_goes_on_and_ends(kind: str, now: float, head: str) -> None:
    request = Hook("n", "ntfy", NTFY).request(message(kind=kind), "mini", now)
    assert json.loads(request.body)["title"] == head


@given(st.text(max_size=3000), st.text(max_size=5000))
def test_ntfy_gets_json_at_its_root(text: str, evidence: str) -> None:
    hook = Hook("n", "ntfy", NTFY, token="tk_secret")
    request = hook.request(message(text, evidence), "mini", T + 60)
    sent = json.loads(request.body)
    assert request.url == "https://ntfy.example/"
    assert request.headers["Authorization"] == "Bearer tk_secret"
    assert (sent["topic"], sent["priority"], sent["sequence_id"]) == ("keep-topic", 5, "00ff")
    assert len(sent["message"].encode()) <= 4096
    assert "\n" not in sent["title"]


def test_a_message_that_had_to_wait_says_so() -> None:
    late = Message(1, "00ff", "h", "pf", "raise", "critical", "x", "", T, 1, T, dropped=3)
    body = json.loads(Hook("n", "ntfy", NTFY).request(late, "mini", T + 4000).body)["message"]
    assert "waited for 1 h 6 min" in body
    assert "3 messages were dropped" in body


@pytest.mark.parametrize(
    ("address", "well", "ill"),
    [
        ("https://hc.example/uuid", "https://hc.example/uuid", "https://hc.example/uuid/fail"),
        ("https://hc.example/k/s?create=1", "https://hc.example/k/s?create=1",
         "https://hc.example/k/s/fail?create=1"),
    ],
)  # fmt: skip
def test_a_ping_says_well_or_fail(address: str, well: str, ill: str) -> None:
    hook = Hook("p", "ping", address)
    alert = Alert("pf", "critical", "pf is off", "", "watch", T, T, 1, active=True)
    assert hook.ping([], "mini").url == well
    failing = hook.ping([alert], "mini")
    assert failing.url == ill
    assert failing.body == "mini\ncritical: pf is off"


@pytest.mark.parametrize(
    ("kind", "address", "words"),
    [
        ("discord", "http://discord.com/api/webhooks/1/secret", "must begin with https://"),
        ("discord", "discord.com/secret", "must begin with https://"),
        ("discord", "", "must begin with https://"),
        ("ntfy", "https://user:secret@ntfy.example/t", "user or password"),
        ("ntfy", "https://ntfy.example/", "ends in its topic"),
        ("ntfy", "https://ntfy.example/top secret", "cannot be read"),
        ("ping", "https://hc.example:port/secret", "cannot be read"),
        ("ping", "https://hc.example/secret\nHost: x", "cannot be read"),
        ("ping", "https://höst.example/secret", "cannot be read"),
        ("pigeon", "https://hc.example/secret", "none of discord, ntfy, ping, notification"),
    ],
)
def test_an_address_that_is_none_is_refused_and_not_shown(
    kind: str, address: str, words: str
) -> None:
    with pytest.raises(HookError, match=words) as caught:
        Hook("h", kind, address)
    assert "secret" not in str(caught.value)


def test_plain_http_must_be_asked_for() -> None:
    assert Hook("n", "ntfy", "http://10.0.0.9/t", plain_http=True).goes_to == "10.0.0.9"


def test_nothing_that_is_printed_shows_an_address() -> None:
    hook = Hook("n", "ntfy", NTFY, token="tk_secret")
    request = hook.request(message(), "mini", T)
    assert "topic" not in f"{hook!r} {hook.goes_to}"
    assert "tk_secret" not in f"{hook!r} {request!r}"
    assert isinstance(request, Request)


@pytest.mark.parametrize("text", ["", "{}", '{"hooks": [{"url": "https://x/secret"}]}', "[1]"])
def test_a_damaged_file_is_said_without_its_content(text: str) -> None:
    with pytest.raises(HookError, match="converge again") as caught:
        parse(text)
    assert "secret" not in str(caught.value)


def test_what_looks_like_a_secret_is_in_no_alert() -> None:
    token = "sk-ant-" + "a1B2" * 8
    event = Event("x", "info", f"key {token}", f"see {DISCORD}\x1b[31m\nand \u202e this")
    assert token not in event.text
    assert "secret-part" not in event.evidence
    assert event.evidence.splitlines()[1] == "and this"


@pytest.mark.parametrize("key", ["", "UP", "a b", "x" * 101, "-x", "ä"])
def test_a_key_that_is_none(key: str) -> None:
    with pytest.raises(ValueError, match="is no key"):
        Event(key, "info", "x")
