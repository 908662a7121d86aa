from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.guard.host import Host


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.fixture
def opened(host: Host) -> Host:
    """A host whose guest runs and has its doors."""
    host.start("keep")
    return host
