"""A request reaches the agent as it was meant, and what its version does not know is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.contract.request import Request, RequestError, decode

ANY = st.text()  # lone surrogates and NUL included
FOLDER = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True).filter(
    lambda name: name != "global"
)
COMMON: dict[str, Any] = {
    "prompt": ANY,
    "group_folder": FOLDER,
    "chat_jid": st.text(min_size=1),
    "is_main": st.booleans(),
    "session_id": st.none() | ANY,
    "is_scheduled_task": st.booleans(),
}
SECRETS = st.dictionaries(st.sampled_from(["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"]), ANY)
OF_VERSION: dict[str, dict[str, Any]] = {
    "v1.0": {
        "secrets": SECRETS,
        "sender_ids": st.lists(ANY).map(tuple),
        "trust_config": st.fixed_dictionaries({}, optional={"ownerId": ANY}),
    },
    "v1.1": {"secrets": SECRETS, "assistant_name": st.none() | ANY},
    "v1.2": {"assistant_name": st.none() | ANY, "script": st.none() | ANY},
}
REQUESTS = st.sampled_from(sorted(OF_VERSION)).flatmap(
    lambda version: st.tuples(
        st.just(version), st.builds(Request, **(COMMON | OF_VERSION[version]))
    )
)
PLAIN = {"prompt": "hi", "groupFolder": "main", "chatJid": "web:main", "isMain": True}


@given(REQUESTS)
def test_what_is_encoded_is_decoded_as_it_was(told: tuple[str, Request]) -> None:
    version, request = told
    data = request.encode(version)
    assert decode(data, version) == request
    assert data.isascii()


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from([*PLAIN, "secrets", "script", "x"]), inner, max_size=6),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    try:
        request = decode(data, "v1.1")
    except RequestError:
        return
    assert decode(request.encode("v1.1"), "v1.1") == request


def test_the_fields_carry_the_names_that_the_agent_reads() -> None:
    request = Request(
        prompt="hi\0$(id)`x`\n", group_folder="family_chat", chat_jid="1@g.us", session_id="s-1",
        is_scheduled_task=True, assistant_name="Andy", secrets={"ANTHROPIC_API_KEY": "k"},
    )  # fmt: skip
    assert json.loads(request.encode("v1.1")) == {
        "prompt": "hi\0$(id)`x`\n",
        "groupFolder": "family_chat",
        "chatJid": "1@g.us",
        "isMain": False,
        "sessionId": "s-1",
        "isScheduledTask": True,
        "assistantName": "Andy",
        "secrets": {"ANTHROPIC_API_KEY": "k"},
    }


@pytest.mark.parametrize(
    ("version", "change", "word"),
    [
        ("v1.2", {"secrets": {"ANTHROPIC_API_KEY": "k"}}, "secrets: v1.2 does not know it"),
        ("v1.1", {"script": "true"}, "script: v1.1 does not know it"),
        ("v1.0", {"assistantName": "Andy"}, "assistantName: v1.0 does not know it"),
        ("v1.1", {"senderIds": ["1"]}, "senderIds: v1.1 does not know it"),
        ("v1.1", {"isMain": 1}, "isMain is neither true nor false"),
        ("v1.1", {"prompt": None}, "prompt is no text"),
        ("v1.1", {"groupFolder": "../main"}, "cannot name a group"),
        ("v1.1", {"groupFolder": "global"}, "cannot name a group"),
        ("v1.1", {"groupFolder": "a" * 65}, "cannot name a group"),
        ("v1.1", {"groupFolder": "main\n"}, "cannot name a group"),
        ("v1.1", {"chatJid": ""}, "chatJid is empty"),
        ("v1.1", {"secrets": {"K": 1}}, "secrets is no object of texts"),
        ("v1.1", {"secrets": "k"}, "secrets is no object of texts"),
        ("v1.0", {"senderIds": "12"}, "senderIds is no list of texts"),
        ("v2.0", {}, "no contract 'v2.0'"),
    ],
)
def test_each_fault_is_named(version: str, change: dict[str, Any], word: str) -> None:
    decode(json.dumps(PLAIN).encode(), "v1.1")
    with pytest.raises(RequestError, match=r".") as caught:
        decode(json.dumps(PLAIN | change).encode(), version)
    assert word in str(caught.value)


@pytest.mark.parametrize("field", sorted(PLAIN))
def test_a_missing_field_is_named(field: str) -> None:
    rest = {name: value for name, value in PLAIN.items() if name != field}
    with pytest.raises(RequestError, match=f"{field} is missing"):
        decode(json.dumps(rest).encode(), "v1.2")


def test_a_field_that_stands_twice_is_refused() -> None:
    data = json.dumps(PLAIN).encode()[:-1] + b', "isMain": false}'
    with pytest.raises(RequestError, match="no JSON"):
        decode(data, "v1.1")


def test_no_credential_is_shown_by_a_request_or_an_error() -> None:
    request = Request("hi", "main", "j", secrets={"ANTHROPIC_API_KEY": "sk-ant-0815"})
    assert "0815" not in repr(request)
    with pytest.raises(RequestError) as told:
        decode(request.encode("v1.1"), "v1.2")
    with pytest.raises(RequestError) as broken:
        decode(request.encode("v1.1")[:-2], "v1.1")
    assert "0815" not in str(told.value) + str(broken.value)
    assert broken.value.__cause__ is None
    assert broken.value.__suppress_context__
