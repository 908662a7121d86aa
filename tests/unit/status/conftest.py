from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.status.world import World, running


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with running(tmp_path, monkeypatch) as made:
        yield made
