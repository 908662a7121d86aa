"""A secret in everything that shows, copies or stores values."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ConfigDict

from clawkeep.secrets import Secret

PLANTED = "hunter2-planted"
SLOT = "_Secret__text"


@dataclass
class Holder:
    value: Secret


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: Secret


class Loose(BaseModel):
    value: Any


SHOWN: dict[str, Callable[[Secret], str]] = {
    "str": str,
    "repr": repr,
    "f-string": lambda s: f"{s}",
    "f-string with a width": lambda s: f"{s:>40}",
    "f-string with repr": lambda s: f"{s!r}",
    "percent": lambda s: "%s %r" % (s, s),  # noqa: UP031
    "format": "{}".format,
    "list": lambda s: str([s]),
    "dict": lambda s: str({"a": s}),
    "dataclass": lambda s: str(Holder(s)),
    "asdict": lambda s: str(asdict(Holder(s))),
    "pydantic": lambda s: repr(Loose(value=s)) + str(Loose(value=s).model_dump()),
    "pprint": pprint.pformat,
    "log": lambda s: logging.LogRecord("n", 10, "p", 1, "%s", (s,), None).getMessage(),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN.keys())
def test_it_shows_nothing(show: Callable[[Secret], str]) -> None:
    assert PLANTED not in show(Secret(PLANTED))
    assert PLANTED in show(PLANTED)  # type: ignore[arg-type] # the same with a plain text


STORED: dict[str, Callable[[Any], Any]] = {
    "json": json.dumps,
    "json in a list": lambda s: json.dumps([{"a": s}]),
    "pickle": pickle.dumps,
    "pickle, oldest": lambda s: pickle.dumps(s, protocol=0),
    "yaml": yaml.safe_dump,
}


@pytest.mark.parametrize("store", STORED.values(), ids=STORED.keys())
def test_nothing_stores_it(store: Callable[[Any], Any]) -> None:
    assert PLANTED in str(store(PLANTED))
    with pytest.raises((TypeError, yaml.YAMLError)) as caught:
        store(Secret(PLANTED))
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_pydantic_refuses_to_write_it_as_json() -> None:
    with pytest.raises(Exception, match="serialize") as caught:
        Model(value=Secret(PLANTED)).model_dump_json()
    assert PLANTED not in str(caught.value)


def test_who_asks_for_it_by_name_gets_it() -> None:
    assert Secret(PLANTED).reveal() == PLANTED


def test_equal_texts_are_equal_secrets_and_no_secret_equals_its_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("\ud800") != Secret("x")


def test_it_has_no_hash_which_would_be_its_fingerprint() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Secret(PLANTED))


def test_it_cannot_be_changed() -> None:
    secret = Secret(PLANTED)
    with pytest.raises(AttributeError):
        secret.text = "x"
    with pytest.raises(AttributeError):
        setattr(secret, SLOT, "x")
    with pytest.raises(AttributeError):
        delattr(secret, SLOT)
    assert secret.reveal() == PLANTED


def test_a_copy_is_the_same_secret() -> None:
    secret = Secret(PLANTED)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": [secret]})["a"][0] is secret


def test_a_wrong_type_is_refused_without_showing_it() -> None:
    with pytest.raises(TypeError) as caught:
        Secret(PLANTED.encode())  # type: ignore[arg-type]
    assert "not bytes" in str(caught.value)
    assert PLANTED not in str(caught.value)
