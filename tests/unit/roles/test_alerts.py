"""What the converge writes for alerts: the addresses, and who may not see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError

from clawkeep.alerts.hooks import parse
from clawkeep.model import AlertHook, Keep
from roles.operations.alerts import settings

ADDRESS = "https://discord.com/api/webhooks/123456789012345678/very-secret"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWKEEP_PROJECT", str(tmp_path))


def keep(**values: object) -> Keep:
    return Keep(
        alerts=(AlertHook.model_validate({"hook": "discord", "url": "env:HOOK", **values}),)
    )


def test_the_file_is_what_the_host_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK", f"{ADDRESS}\n")
    written = settings(keep(min="info", repeat="2h"), 501)
    assert "very-secret" not in f"{written} {written!r}"
    text = written.reveal()
    (hook,) = parse(text)
    assert (hook.url, hook.least, hook.repeat_s) == (ADDRESS, "info", 7200)
    data = json.loads(text)
    assert (data["user"], data["owner_uid"]) == ("_clawkeep", 501)


def test_an_address_that_is_none_ends_the_run_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", "http://discord.com/very-secret")
    with pytest.raises(PyinfraError, match=r"alerts\[0\] \(discord\): .*https://") as caught:
        settings(keep(), 501)
    assert "very-secret" not in str(caught.value)


def test_one_that_cannot_be_had_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    with pytest.raises(PyinfraError, match="HOOK"):
        settings(keep(), 501)
