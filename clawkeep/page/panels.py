"""All panels, in the order of the page. One more: a source, a function, and a line here."""

from __future__ import annotations

from typing import Final

from clawkeep.page import audit_panel as audits
from clawkeep.page import keep_panels as keep
from clawkeep.page import look_panels as looks
from clawkeep.page import past_panels as past
from clawkeep.page import watch_panels as watch
from clawkeep.page.panel import Panel

APPLY: Final = "clawkeep apply lays it down."

PANELS: Final = (
    Panel("keep", "The keep", ("status", "grants"), keep.the_picture, APPLY, wide=True),
    Panel("alerts", "Alerts", ("alerts",), watch.alerts, "clawkeep apply operations lays it down."),
    Panel("machines", "Host, walls and guest", ("status",), keep.machines, APPLY),
    Panel("doors", "Doors", ("status", "bridges", "day"), keep.doors, APPLY, wide=True),
    Panel("health", "Health", ("health", "events"), watch.health,
          "clawkeep apply operations starts the watcher.", wide=True),
    Panel("canary", "Canary", ("canary",), watch.canary, "clawkeep apply network starts it."),
    Panel("agent", "Agent", ("status",), keep.agent, "Declare `agent` in group_data/all.py."),
    Panel("grants", "Doors for a time", ("grants",), keep.grants, APPLY),
    Panel("snapshots", "Snapshots", ("snapshots", "snapshot"), past.snapshots,
          "clawkeep snapshot create makes one."),
    Panel("backups", "Backups", ("backup",), past.backups,
          "Declare `backup` in group_data/all.py, then clawkeep apply operations."),
    Panel("audit", "Audit", ("audit", "scheduled"), audits.audit,
          "clawkeep audit makes one, clawkeep audit --schedule daily one each day.", any_=True),
    Panel("doctor", "Doctor", ("doctor",), looks.doctor, "It is asked every ten minutes."),
    Panel("skills", "Skills", ("skills",), looks.skills,
          "Declare `skills` in group_data/all.py (docs/how-to/skills.md)."),
    Panel("refused", "Refused", ("denied", "day"), watch.refused, APPLY, wide=True),
    Panel("events", "Events", ("events",), watch.events, APPLY, wide=True),
)  # fmt: skip
