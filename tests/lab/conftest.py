import os
import re
import secrets
from collections.abc import Callable, Iterator

import pytest

from lab.lab import Lab, down

LabStarter = Callable[..., Lab]


def unique_name(hint: str) -> str:
    """A lab name that no other test, worker or checkout uses."""
    return f"t-{re.sub('[^a-z0-9]+', '-', hint.lower())[:24]}-{os.getpid()}-{secrets.token_hex(3)}"


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A fresh lab for the tests of one module."""
    name = unique_name(request.module.__name__.rpartition(".")[2].removeprefix("test_"))
    try:
        yield Lab.up(name)
    finally:
        down(name)


@pytest.fixture
def start_lab() -> Iterator[LabStarter]:
    """Starts further labs, with `Lab.up`'s options, and ends them after the test."""
    names: list[str] = []

    def start(**options: object) -> Lab:
        names.append(unique_name("extra"))
        return Lab.up(names[-1], **options)  # type: ignore[arg-type]

    try:
        yield start
    finally:
        for name in names:
            down(name)
