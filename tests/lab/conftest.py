import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.lab import Lab, down
from tests.lab.guarding import is_open, wait
from tests.lab.keep import SMALL, Built, project

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


@pytest.fixture(scope="session")
def converged_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk of a Mac after one converge, made once for all workers of this run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    image = shared / "converged"
    with (shared / "converged.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            name = unique_name("image")
            try:
                lab = Lab.up(name)
                built = Built(lab, project(tmp_path_factory.mktemp("image"), SMALL))
                built.converge()
                lab.power_off()
                lab.save(image)
            finally:
                down(name)
    return image


@pytest.fixture(scope="module")
def keep(
    request: pytest.FixtureRequest, converged_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Built]:
    """A keep for the tests of one module, as the declaration in this checkout has it.

    It boots from a copy of a converged Mac's disk, which takes a fifth of a converge.
    """
    hint = request.module.__name__.rpartition(".")[2].removeprefix("test_")
    name = unique_name(hint)
    try:
        built = Built(
            Lab.up(name, image=converged_image), project(tmp_path_factory.mktemp(hint), SMALL)
        )
        # What its operator remembers of it is kept by the host's name.
        (remembered,) = (built.lab.state.folder / "operator" / "state").glob("lab-*")
        remembered.rename(remembered.with_name(f"lab-{name}"))
        wait("the doors", lambda: is_open(built), 60)
        yield built
    finally:
        down(name)
