import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.lab import Lab, down
from tests.lab.agent_keep import AgentKeep, agent_keep
from tests.lab.guarding import is_open, wait
from tests.lab.keep import SMALL, Built, project
from tests.lab.runtime_guest import STATE, RuntimeGuest, started
from tests.nanoclaw import repository

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

    def made(lab: Lab, folder: Path) -> None:
        Built(lab, project(folder, SMALL)).converge()

    return _image("converged", tmp_path_factory, made)


@pytest.fixture(scope="session")
def agent_image(tmp_path_factory: pytest.TempPathFactory, stand_in: repository.Repository) -> Path:
    """The disk of a Mac after one converge with the stand-in for NanoClaw, likewise."""

    def made(lab: Lab, folder: Path) -> None:
        agent_keep(lab, folder, stand_in).built.converge()

    return _image("agent", tmp_path_factory, made)


def _image(
    name: str, tmp_path_factory: pytest.TempPathFactory, make: Callable[[Lab, Path], None]
) -> Path:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    image = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            lab_name = unique_name("image")
            try:
                lab = Lab.up(lab_name)
                make(lab, tmp_path_factory.mktemp("image"))
                lab.power_off()
                lab.save(image)
            finally:
                down(lab_name)
    return image


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> repository.Repository:
    """The git repository of the stand-in for NanoClaw."""
    return repository.build(tmp_path_factory.mktemp("git") / "nanoclaw.git")


@contextlib.contextmanager
def _booted(image: Path, module: str, *, clock: bool = False) -> Iterator[tuple[Lab, str]]:
    hint = module.rpartition(".")[2].removeprefix("test_")
    name = unique_name(hint)
    try:
        lab = Lab.up(name, image=image, clock=clock)
        # What its operator remembers of it is kept by the host's name.
        (remembered,) = (lab.state.folder / "operator" / "state").glob("lab-*")
        remembered.rename(remembered.with_name(f"lab-{name}"))
        yield lab, hint
    finally:
        down(name)


@pytest.fixture(scope="module")
def keep(
    request: pytest.FixtureRequest, converged_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Built]:
    """A keep for the tests of one module, as the declaration in this checkout has it.

    It boots from a copy of a converged Mac's disk, which takes a fifth of a converge.
    """
    with _booted(converged_image, request.module.__name__) as (lab, hint):
        built = Built(lab, project(tmp_path_factory.mktemp(hint), SMALL))
        wait("the doors", lambda: is_open(built), 60)
        yield built


@pytest.fixture(scope="module")
def agent(
    request: pytest.FixtureRequest,
    agent_image: Path,
    stand_in: repository.Repository,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AgentKeep]:
    """A keep in whose guest the stand-in for NanoClaw runs, for the tests of one module."""
    with _booted(agent_image, request.module.__name__) as (lab, hint):
        made = agent_keep(lab, tmp_path_factory.mktemp(hint), stand_in)
        wait("the doors", lambda: is_open(made.built), 60)
        wait("NanoClaw", made.pid, 60)
        yield made


@pytest.fixture(scope="module")
def clocked(
    request: pytest.FixtureRequest,
    agent_image: Path,
    stand_in: repository.Repository,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AgentKeep]:
    """The same on a lab with a clock of its own, in whose time its operator lives, too."""
    with _booted(agent_image, request.module.__name__, clock=True) as (lab, hint):
        made = agent_keep(lab, tmp_path_factory.mktemp(hint), stand_in)
        made.built.environment |= lab.clock.environment
        wait("the doors", lambda: is_open(made.built), 60)
        wait("NanoClaw", made.pid, 60)
        yield made


@pytest.fixture(scope="module")
def with_runtime(lab: Lab) -> Iterator[RuntimeGuest]:
    """A guest with the direct runtime and nothing else, for the tests of one module."""
    yield from started(lab)


@pytest.fixture
def guest(with_runtime: RuntimeGuest) -> Iterator[RuntimeGuest]:
    """That guest, with its first settings; after the test nothing of it may be left."""
    with_runtime.configure()
    with_runtime.sh(f"rm -f {STATE}/logs/runtime.jsonl")
    yield with_runtime
    with_runtime.configure()
    assert with_runtime.names() == []
    assert [line for line in with_runtime.left() if "nanoclaw" in line] == []
