"""The order of the suite, what others wait for first; and what tests show of faults.

Several workers run it, a file each at a time. Two files make the images of disks that most labs
begin with; while those are made, the others run what needs none.
"""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.recording import FILE, Faults

PASSED = pytest.StashKey[bool]()

FIRST = ("tests/lab/test_agent_answers.py", "tests/lab/test_converge.py")
IMAGES = {"agent_image", "converged_image"}


def _place(item: pytest.Item) -> int:
    file = item.nodeid.partition("::")[0]
    if file in FIRST:
        return FIRST.index(file)
    if not file.startswith("tests/lab/"):
        return len(FIRST) + 2
    made = not IMAGES.isdisjoint(getattr(item, "fixturenames", ()))
    return len(FIRST) + made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files; what is in a file stays as it is."""
    places: dict[str, int] = {}
    for item in items:
        file = item.nodeid.partition("::")[0]
        places[file] = max(places.get(file, 0), _place(item))
    items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep whether a test passed, for what it has shown."""
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def faults(request: pytest.FixtureRequest) -> Iterator[Faults]:
    """What the test shows of the matrix of faults: see `tests.recording`."""
    shown = Faults(request.node.nodeid)
    yield shown
    if name := os.environ.get(FILE):
        shown.write(Path(name), passed=request.node.stash.get(PASSED, False))
