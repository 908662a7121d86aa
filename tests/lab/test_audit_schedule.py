"""Scheduled audits on a live keep: made as a scheduler makes them, told, accepted, taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.lab.guarding import wait
from tests.lab.keep import CHECKOUT, Built
from tests.unit.audit.machine import CRONTAB

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NAME = "guest/prints/automatic updates"
KEY = "/Library/Preferences/com.apple.SoftwareUpdate"
KNOWN = """\
accepted:
  - check: {name}
    found: "{found}"
    until: "{until}"
    because: tried out by the operator
"""


@pytest.fixture(scope="module")
def box(keep: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An operator's machine with cron, and what cron has of this one."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "crontab").write_text(CRONTAB)
    (folder / "crontab").chmod(0o755)
    (folder / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    (folder / "systemctl").chmod(0o755)
    (folder / "box").mkdir()
    with (keep.project / "group_data" / "all.py").open("a") as values:
        values.write('\nalerts = [{"hook": "notification", "min": "critical"}]\n')
    keep.converge("--data", "phase=network,operations")
    keep.environment |= {"BOX": str(folder / "box"), "PATH": f"{folder}:{os.environ['PATH']}"}
    return folder / "box"


def run_by_cron(keep: Built, box: Path) -> str:
    """Do what cron does at the full hour; return what is in the job's log."""
    line = (box / "crontab").read_text().splitlines()[-1]
    command = line.split(maxsplit=5)[5].replace(r"\%", "%")
    bare = ["env", "-i", f"HOME={box}", "/bin/sh", "-c", command]
    subprocess.run(bare, check=True, timeout=60, cwd=box)
    return Path(command.split(">>")[1].split()[0]).read_text()


def kept(keep: Built) -> dict[str, Any]:
    done = keep.clawkeep("status", "--json")
    found: dict[str, Any] = json.loads(done.stdout)["kept"]
    return found


def standing(keep: Built) -> set[str]:
    return {row["key"] for row in kept(keep)["alerts"]["facts"]["standing"]}


def test_a_schedule_from_its_first_audit_to_its_end(keep: Built, box: Path) -> None:
    done = keep.clawkeep("audit", "--schedule", "daily")
    assert done.returncode == 0, done.stderr
    assert "by cron: the job com.clawkeep.audit." in done.stderr
    audit = kept(keep)["audit"]
    assert audit["verdict"] == "well", "\n".join(audit["facts"]["last"]["found"])
    assert audit["label"].startswith("daily by ")
    assert "audit-" not in " ".join(standing(keep))
    _a_finding(keep)
    _the_next_hour(keep, box)
    assert keep.clawkeep("audit", "--schedule", "off").returncode == 0
    assert (box / "crontab").read_text() == ""
    assert kept(keep)["audit"]["label"] == "by hand"


def _a_finding(keep: Built) -> None:
    """Have something differ: it is told, accepted, and told again when more differs."""
    assert keep.guest(f"defaults write {KEY} AutomaticDownload -bool true").returncode == 0
    red = keep.clawkeep("audit", "--scheduled")
    assert (red.returncode, f"DRIFT  {NAME.replace('/', ' ', 2)}" in red.stdout) == (1, True)
    wait("the alert", lambda: "audit-red" in standing(keep), 20)
    status = keep.clawkeep("status")
    assert (status.returncode, "1 differ" in status.stdout) == (1, True)
    again = keep.clawkeep("audit", "--scheduled")
    assert (again.returncode, again.stdout) == (1, "")
    (row,) = _rows(keep, "failed")
    until = datetime.now().astimezone().date() + timedelta(days=30)
    (keep.project / "audit.yml").write_text(
        KNOWN.format(name=NAME, found=row["found"], until=until)
    )
    done = keep.clawkeep("audit", "--junit", str(keep.project / "a.xml"))
    assert done.returncode == 0, done.stdout
    assert "KNOWN  guest prints automatic updates" in done.stdout
    skipped = Xml.parse(keep.project / "a.xml").findall(".//skipped")
    assert [one.get("message") for one in skipped] == [f"until {until}: tried out by the operator"]
    wait("its end", lambda: "audit-red" not in standing(keep), 30)
    assert kept(keep)["audit"]["facts"]["last"]["accepted"] == 1
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", "updates",
         str(CHECKOUT / "tests/audit")],
        cwd=CHECKOUT, env=keep.variables(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert "1 skipped" in ran.stdout, ran.stdout + ran.stderr
    assert "tried out by the operator" in ran.stdout
    # What is known is what was found, and no other thing.
    assert keep.guest(f"defaults write {KEY} CriticalUpdateInstall -bool true").returncode == 0
    more = keep.clawkeep("audit")
    assert more.returncode == 1
    assert "something else was found than is accepted here" in more.stdout
    refused = KNOWN.format(name="host/rules/pf", found="disabled", until=until)
    (keep.project / "audit.yml").write_text(refused)
    none = keep.clawkeep("audit")
    assert (none.returncode, none.stdout) == (2, "")
    assert "audit.yml:2:12: check: host/rules/pf cannot be accepted" in none.stderr
    (keep.project / "audit.yml").unlink()
    for name in ("AutomaticDownload", "CriticalUpdateInstall"):
        keep.guest(f"defaults write {KEY} {name} -bool false")


def _rows(keep: Built, state: str) -> list[dict[str, Any]]:
    report = json.loads(keep.clawkeep("audit", "--json").stdout)
    return [row for row in report["checks"] if row["state"] == state]


def _the_next_hour(keep: Built, box: Path) -> None:
    """Have cron run its line: nothing while the last audit is young, and one when it is old."""
    assert keep.clawkeep("audit").returncode == 0
    before = kept(keep)["audit"]["facts"]["t"]
    assert run_by_cron(keep, box) == ""
    assert kept(keep)["audit"]["facts"]["t"] == before
    (journal,) = keep.lab.state.folder.glob("operator/state/**/audits.jsonl")
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    old = datetime.now(UTC) - timedelta(days=2)
    journal.write_text("".join(json.dumps({**one, "at": old.isoformat()}) + "\n" for one in lines))
    run_by_cron(keep, box)
    assert kept(keep)["audit"]["facts"]["t"] > before


#: What a Mac's operator has of it, in a program of its own: standard library only.
PARTS = ("__init__", "audit/__init__", "audit/schedulers/*", "onhost/__init__", "onhost/paths",
         "onhost/plain", "onhost/store")  # fmt: skip
AT = "/Users/operator/schedule-test"
NAME_THERE = "com.clawkeep.audit.0011aabb"
PROGRAM = f"""
import sys; sys.path.insert(0, {AT!r})
from pathlib import Path
from clawkeep.audit.schedulers import Job, here
job = Job({NAME_THERE!r}, ("/bin/sh", "-c", 'echo "$ODD at $PWD"'), Path({AT!r}),
          Path({AT!r}) / "log", {{"ODD": "50% of <this> & that"}})
launchd = here("Darwin")
said = [launchd.word, launchd.there(job.name), launchd.put(job), launchd.there(job.name),
        launchd.put(job)]
if sys.argv[1] == "off":
    said = [launchd.remove(job.name), launchd.there(job.name), launchd.remove(job.name)]
print(*said)
"""


def test_launchd_takes_runs_and_forgets_the_job_of_a_mac_s_user(keep: Built) -> None:
    def mac(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return keep.lab.exec("host", command, user="operator", input=text)

    files = [path for part in PARTS for path in (CHECKOUT / "clawkeep").glob(f"{part}.py")]
    for path in files:
        there = f"{AT}/{path.relative_to(CHECKOUT)}"
        mac("/bin/sh", "-c", f"mkdir -p {Path(there).parent}")
        done = mac("/bin/sh", "-c", f"cat > {there}", text=path.read_text())
        assert done.returncode == 0, done.stderr
    python = "/opt/clawkeep/python/bin/python3"
    done = mac(python, "-I", "-", "on", text=PROGRAM)
    assert done.stdout == "launchd False True True False\n", done.stderr
    ran = mac("/bin/sh", "-c", f"launchctl kickstart gui/$(id -u)/{NAME_THERE}")
    assert ran.returncode == 0, ran.stderr
    wait("it runs", lambda: mac("/bin/cat", f"{AT}/log").stdout != "", 10)
    assert mac("/bin/cat", f"{AT}/log").stdout == f"50% of <this> & that at {AT}\n"
    assert mac(python, "-I", "-", "off", text=PROGRAM).stdout == "True False False\n"
    left = mac("/bin/sh", "-c", f"launchctl list | grep -c {NAME_THERE}; ls ~/Library/LaunchAgents")
    assert left.stdout.startswith("0\n")
    assert NAME_THERE not in left.stdout
