"""Whatever a file holds, the answer is a list of services or a ConfigError with positions."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from clawkeep.config import ConfigError, parse_services
from clawkeep.config.source import decode
from clawkeep.model import Service

KEYS = [*Service.model_fields, "bind", "prot", "Name", "<<", "no", "$schema", "services"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.text(max_size=12),
    st.sampled_from(["vault", "tls", "ssh", "nas:22", "22:22", "192.168.64.1:1", "0x10", "on"]),
    st.integers(1024, 1030),
)
TREES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)
SERVICE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(Service.model_fields, TREES),
)
SYNTAX = st.text(alphabet="abno:- \n\t[]{}&*!|>'\"%@`,?#<=0156.~\\xU\r", max_size=80)


def check(text: str) -> None:
    """Parse `text`; PyYAML counts `\r` as a line break too, hence the generous bound."""
    lines = text.count("\n") + text.count("\r") + 1
    found: ConfigError | None = None
    try:
        services = parse_services(text)
    except ConfigError as error:
        found = error
    if found is None:
        assert all(isinstance(service, Service) for service in services)
        return
    assert found.problems
    assert str(found).encode()
    for problem in found.problems:
        assert problem.message
        assert problem.mark is None or 1 <= problem.mark.line <= lines + 1
        assert problem.mark is None or problem.mark.column >= 1


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    try:
        text = decode(content, "allowlist.yml")
    except ConfigError:
        return
    check(text)


@given(SYNTAX)
@settings(max_examples=500)
def test_any_text_that_looks_like_yaml(text: str) -> None:
    check(text)


@given(st.text(max_size=100))
def test_any_text(text: str) -> None:
    check(text)


@given(TREES)
def test_any_tree(tree: Any) -> None:
    check(yaml.safe_dump(tree, allow_unicode=True))


@given(st.lists(SERVICE, max_size=4))
@settings(max_examples=200)
def test_any_services(entries: list[dict[str, Any]]) -> None:
    check(yaml.safe_dump({"services": entries}, allow_unicode=True))


@given(st.lists(SERVICE, max_size=3), st.text(max_size=6), st.integers(0, 400))
def test_any_text_put_into_an_allowlist(
    entries: list[dict[str, Any]], text: str, offset: int
) -> None:
    whole = yaml.safe_dump({"services": entries}, allow_unicode=True)
    check(whole[:offset] + text + whole[offset:])
