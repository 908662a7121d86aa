"""The metrics: in the format, of what is known now, and of nothing that a guest can make up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clawkeep import declared
from clawkeep.metrics.figures import figures
from clawkeep.metrics.text import Figures
from clawkeep.metrics.thresholds import RESOURCES
from clawkeep.model import Keep
from clawkeep.overview.sources import SOURCES, Overview
from tests.unit.metrics.exposition import Family, parse
from tests.unit.page.said import NOW, overview, poisoned, well

pytestmark = pytest.mark.usefixtures("project")


@pytest.fixture
def keep() -> Keep:
    return declared.keep()


def value(found: dict[str, Family], name: str, **labels: str) -> float:
    return found[f"clawkeep_{name}"].samples[frozenset(labels.items())]


def test_a_keep_that_is_well(keep: Keep) -> None:
    found = parse(figures(keep, overview(well())))
    assert value(found, "up") == 1
    assert value(found, "part", part="status", state="well") == 1
    assert value(found, "part", part="status", state="bad") == 0
    assert value(found, "door", door="kubernetes", state="well") == 1
    assert value(found, "door_probe_seconds", door="kubernetes") == 0.018
    assert value(found, "bridge_connections", door="home-assistant") == 2
    assert found["clawkeep_bridge_accepted_total"].kind == "counter"
    assert value(found, "refused_day_packets") == 31
    assert value(found, "canary", state="green") == 1
    assert value(found, "canary_run_timestamp_seconds") == pytest.approx(NOW - 21)
    assert value(found, "alerts_standing", severity="info") == 1
    assert value(found, "backup_timestamp_seconds", what="restored") == pytest.approx(NOW - 200000)
    assert value(found, "guest_resource", resource="memory_free_ratio") == pytest.approx(0.21)
    assert value(found, "guest_resource_threshold", resource="memory_free_ratio",
                 level="warning") == 0.1  # fmt: skip
    assert value(found, "snapshots") == 3
    assert value(found, "audit_checks", state="passed") == 3
    assert all(name.startswith("clawkeep_") for name in found)
    assert all(family.words.endswith(".") and family.kind for family in found.values())


def test_an_ill_part_is_bad_whatever_its_verb_calls_it(keep: Keep) -> None:
    data = well()
    data["health"]["layers"][3]["verdict"] = "ill"
    data["status"]["doors"][0]["verdict"] = "bad"
    found = parse(figures(keep, overview(data)))
    assert value(found, "health_layer", layer="loop", state="bad") == 1
    assert value(found, "door", door="vaultwarden", state="bad") == 1


def test_what_is_old_is_no_figure_of_now(keep: Keep) -> None:
    said = overview(well())
    answers = {
        name: answer.failed("mac: no SSH", NOW + 300)
        for name, answer in (said.answers or {}).items()
    }
    found = parse(figures(keep, replace(said, answers=answers, error="mac: no SSH")))
    assert value(found, "up") == 0
    assert value(found, "source_up", source="canary") == 0
    assert "clawkeep_door" not in found
    assert "clawkeep_part" not in found


def test_before_the_first_ask_it_is_not_up(keep: Keep) -> None:
    assert value(parse(figures(keep, Overview())), "up") == 0


def test_a_part_that_was_never_set_up_is_no_source_that_is_down(keep: Keep) -> None:
    data = well()
    del data["snapshots"], data["alerts"]
    found = parse(figures(keep, overview(data)))
    sources = {dict(labels)["source"] for labels in found["clawkeep_source_up"].samples}
    assert "snapshots" not in sources
    assert value(found, "source_up", source="alerts") == 0


HOSTILE = 'a"b\\c\nd{e="f"} 1\u2028\x00'


def test_hostile_names_stay_within_their_label(keep: Keep) -> None:
    found = parse(figures(keep, overview(poisoned(well(), HOSTILE))))
    doors = {dict(labels)["door"] for labels in found["clawkeep_door"].samples}
    assert doors == {'a"b\\c?d{e="f"} 1??'}


@pytest.mark.parametrize("name", [source.name for source in SOURCES])
@pytest.mark.parametrize(
    "odd",
    [{}, [], {"doors": 3, "totals": [{}], "bridges": [{"connections": 1}]},
     {"verdict": [], "samples": [{"load": True}], "checks": 9, "t": 1e999, "hooks": [{"a": 1}]}],
)  # fmt: skip
def test_json_of_another_version_spoils_nothing(keep: Keep, name: str, odd: Any) -> None:
    found = parse(figures(keep, overview({**well(), name: odd})))
    assert value(found, "source_up", source=name) == 1


def test_a_guest_cannot_make_up_ever_more_series() -> None:
    made = Figures()
    for number in range(5000):
        made.gauge("x", "Words.", number, series=str(number))
    assert len(parse(made.text())["clawkeep_x"].samples) == 300


def test_help_and_values_are_written_as_the_format_wants() -> None:
    made = Figures()
    made.gauge("a", "One\nline \\ only.", 0.1 + 0.2)
    made.gauge("b", "Words.", None)
    made.counter("c_total", "Words.", 2**60)
    found = parse(made.text())
    assert found["clawkeep_a"].words == "One\nline \\ only."
    assert value(found, "a") == 0.1 + 0.2
    assert "clawkeep_b" not in found
    assert value(found, "c_total") == 2**60


@pytest.mark.parametrize(
    ("name", "sample", "level"),
    [
        ("load_per_cpu", 7.9, "ok"), ("load_per_cpu", 8.1, "warning"),
        ("load_per_cpu", 16.1, "critical"),
        ("memory_free_ratio", 10, "ok"), ("memory_free_ratio", 9, "warning"),
        ("memory_free_ratio", 3, "critical"),
        ("disk_free_ratio", 6e9, "ok"), ("disk_free_ratio", 4e9, "warning"),
        ("disk_free_ratio", 0, "critical"),
    ],
)  # fmt: skip
def test_levels_of_four_cores_and_fifty_gigabytes(
    keep: Keep, name: str, sample: float, level: str
) -> None:
    assert (keep.guest.cpu, keep.guest.disk_gb) == (4, 50)
    resource = next(one for one in RESOURCES if one.name == name)
    assert resource.level(resource.value(sample, keep)) == level


def test_critical_is_where_the_watcher_calls_the_guest_ill() -> None:
    judge = pytest.importorskip("clawkeep.health.judge_guest")
    critical = {resource.name: resource.critical for resource in RESOURCES}
    assert critical == {
        "load_per_cpu": judge.LOAD_PER_CPU,
        "memory_free_ratio": judge.MEMORY_PERCENT / 100,
        "disk_free_ratio": judge.DISK_PERCENT / 100,
    }


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda one: one.name)
def test_a_warning_comes_before_it_is_critical(resource: Any) -> None:
    assert resource.level(resource.warning) == "ok"
    between = (resource.warning + resource.critical) / 2
    assert resource.level(between) == "warning"


def test_the_figures_of_what_runs_by_itself(keep: Keep) -> None:
    data = well()
    found = parse(figures(keep, overview(data)))
    assert value(found, "alerts_silences") == 0
    assert value(found, "snapshot_timestamp_seconds", what="newest") == pytest.approx(NOW)
    assert value(found, "snapshot_timestamp_seconds", what="verified") == pytest.approx(NOW - 80000)
    assert value(found, "snapshot_under_way") == 0
    assert value(found, "audit_checks", state="accepted") == 1
    assert value(found, "audit_timestamp_seconds") == pytest.approx(NOW - 18_000, abs=1)
    assert value(found, "audit_reported_checks", state="passed") == 3
    assert value(found, "audit_reported_timestamp_seconds") == pytest.approx(NOW - 18_000)
    assert (value(found, "audit_overdue"), value(found, "audit_period_seconds")) == (0, 86400)
    assert value(found, "update", state="none") == 1
    assert value(found, "health_age_seconds") == 12
    assert value(found, "doctor_rows", verdict="ok") == 8
    assert value(found, "skill", skill="gh", state="well") == 1
    assert value(found, "part", part="snapshots", state="well") == 1


def test_what_is_late_red_or_left_has_its_figure(keep: Keep) -> None:
    data = well()
    data["scheduled"]["facts"]["overdue"] = True
    data["scheduled"]["facts"]["last"]["failed"] = 2
    data["status"]["kept"]["update"] = {
        "verdict": "unknown", "facts": {"stage": "by hand", "t": NOW - 500}
    }  # fmt: skip
    data["doctor"]["rows"][0]["verdict"] = "bad"
    found = parse(figures(keep, overview(data)))
    assert value(found, "audit_overdue") == 1
    assert value(found, "audit_reported_checks", state="failed") == 2
    assert value(found, "update", state="by hand") == 1
    assert value(found, "update", state="none") == 0
    assert value(found, "update_begun_timestamp_seconds") == pytest.approx(NOW - 500)
    assert value(found, "doctor_rows", verdict="bad") == 1


def test_an_audit_that_nobody_scheduled_is_never_overdue(keep: Keep) -> None:
    data = well()
    data["scheduled"]["facts"]["schedule"] = None
    assert "clawkeep_audit_overdue" not in parse(figures(keep, overview(data)))


def test_what_nobody_was_asked_aside_is_no_source_that_is_down(keep: Keep) -> None:
    said = overview(well())
    answers = {name: one for name, one in (said.answers or {}).items() if name != "doctor"}
    found = parse(figures(keep, replace(said, answers=answers)))
    assert frozenset({("source", "doctor")}) not in found["clawkeep_source_up"].samples
