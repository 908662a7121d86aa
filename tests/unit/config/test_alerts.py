"""Mistakes in `alerts`, with their places; and what a sound declaration becomes."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from clawkeep.config import ConfigError, load_keep
from clawkeep.model import Keep


def load(folder: Path, text: str) -> Keep:
    (folder / "all.py").write_text(text)
    (folder / "allowlist.yml").write_text("services: []\n")
    values = runpy.run_path(str(folder / "all.py"))
    return load_keep(
        folder / "allowlist.yml", {}, {}, alerts=values.get("alerts", ()), group_data=folder
    )


def test_hooks_are_read_and_a_keep_without_any_is_the_keep_that_it_was(tmp_path: Path) -> None:
    none = load(tmp_path, "alerts = []\n")
    keep = load(
        tmp_path,
        'alerts = [{"hook": "ntfy", "url": "sealed:a", "token": "env:T"},\n'
        '          {"hook": "notification"}]',
    )
    assert [hook.called for hook in keep.alerts] == ["ntfy", "notification"]
    assert {name: str(r) for name, r in keep.alerts[0].references.items()} == {
        "url": "sealed:a", "token": "env:T",
    }  # fmt: skip
    assert none.digest == load(tmp_path, "").digest
    assert none.digest != keep.digest


@pytest.mark.parametrize(
    ("hook", "place", "what"),
    [
        ('{"hook": "discrd"}', "2:14", "alerts[0].hook: 'discrd' is not one of"),
        ('{"hok": "discord"}', "2:13", "alerts[0]: unknown key 'hok'; did you mean 'hook'?"),
        ('{"hook": "discord"}', "2:5", 'alerts[0]: a discord hook needs "url"'),
        ('"discord"', "2:5", "alerts[0]: a mapping such as"),
        (
            '{"hook": "discord", "url": "https://discord.com/api/webhooks/1/very-secret"}',
            "2:32", "alerts[0].url: is no reference; it may be the secret itself",
        ),
        (
            '{"hook": "ping", "url": "sealed:p", "repeat": "6h"}',
            "2:51", "alerts[0].repeat: means nothing to ping",
        ),
        (
            '{"hook": "notification", "url": "sealed:p"}',
            "2:37", "alerts[0].url: means nothing to notification",
        ),
        (
            '{"hook": "ping", "url": "sealed:p", "every": "1s"}',
            "2:50", "alerts[0].every: '1s' is no span of 10 s to 1 d",
        ),
        (
            '{"hook": "ntfy", "url": "sealed:p", "per_hour": 0}',
            "2:53", "alerts[0].per_hour: 0 does not fit; it must be at least 1",
        ),
        (
            '{"hook": "notification", "min": "loud"}',
            "2:37", "alerts[0].min: 'loud' is not one of 'info', 'warning' or 'critical'",
        ),
        (
            '{"hook": "notification"}, {"hook": "notification"}',
            "2:5", "alerts[0]: more than one hook is called 'notification'",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_its_place(
    tmp_path: Path, hook: str, place: str, what: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"alerts = [\n    {hook},\n]\n")
    assert f"all.py:{place}: {what}" in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_another_thing_than_a_list_is_reported(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"all\.py:1:10: alerts: a list is expected here, not dict"
    ):
        load(tmp_path, 'alerts = {"hook": "discord"}\n')
