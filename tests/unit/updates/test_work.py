"""An update on a keep of a few dictionaries: what is red is undone, wherever it is killed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from clawkeep.updates import Update, journal, work
from clawkeep.updates.journal import Entry, JournalError
from clawkeep.updates.work import Look, NotBegunError, RolledBackError, UpdateError

JQ = Update("brew", "jq", "1.8.1", "1.8.2", "patch")
BEFORE = {"jq": "1.8.1", "oniguruma": "6.9.10", "git": "2.52.0"}


class KilledError(BaseException):
    """SIGKILL: nothing of ours runs after it."""


@dataclass
class FakeKeep:
    """`new` are the kegs that an upgrade leaves; `breaks` what no longer runs with them."""

    new: dict[str, str] = field(default_factory=lambda: {"jq": "1.8.2"})
    breaks: tuple[str, ...] = ()
    fails: str = ""
    ill: str = ""
    killed_at: int = 0
    full_at: int = 0
    notes: int = 0
    kegs: dict[str, str] = field(default_factory=lambda: dict(BEFORE))
    snapshots: dict[str, dict[str, str]] = field(default_factory=dict)
    entry: str = ""
    ended: list[str] = field(default_factory=list)
    steps: int = 0

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.killed_at:
            raise KilledError

    def journal(self) -> Entry | None:
        return journal.parse(self.entry) if self.entry else None

    def note(self, entry: Entry) -> None:
        self._step()
        self.notes += 1
        if self.full_at and self.notes >= self.full_at:
            raise UpdateError("No space left on device")
        self.entry = entry.text()
        self._step()

    def clear(self, what: str) -> None:
        self._step()
        self.entry = ""
        self.ended.append(what)
        self._step()

    def well(self, wait_s: float) -> str:
        self._step()
        return self.ill

    def _broken(self) -> bool:
        return any(self.kegs.get(name) == version for name, version in self.new.items())

    def look(self, formulas: Sequence[str], skills: Sequence[str] | None) -> Look:
        gone = self.breaks if self._broken() else ()
        programs = tuple(p for p in ("opt/jq/bin/jq", "opt/git/bin/git") if p not in gone)
        proved = tuple(s for s in ("gh", "whisper") if s not in gone)
        return Look(dict(self.kegs), programs, proved)

    def snapshot(self, reason: str) -> str:
        self._step()
        name = f"vm-{len(self.snapshots) + 1}"
        self.snapshots[name] = dict(self.kegs)
        self._step()
        return name

    def upgrade(self, formulas: Sequence[str]) -> str:
        self._step()
        for name, version in self.new.items():
            self.kegs[name] = version
            self._step()
        return self.fails

    def restart_agent(self) -> None:
        self._step()

    def restore(self, snapshot: str) -> None:
        self._step()
        self.kegs = dict(self.snapshots[snapshot])
        self._step()


def quiet(_: str) -> None:
    """Say nothing."""


def apply(keep: FakeKeep, *chosen: Update) -> None:
    work.apply(keep, chosen or (JQ,), "me@here", quiet)


def test_a_good_update_stays() -> None:
    keep = FakeKeep()
    apply(keep)
    assert keep.kegs == BEFORE | {"jq": "1.8.2"}
    assert keep.entry == ""
    assert keep.ended == ["update to jq 1.8.2: done, and all is well"]
    assert keep.snapshots == {"vm-1": BEFORE}


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (FakeKeep(breaks=("opt/jq/bin/jq",)), "no longer runs: opt/jq/bin/jq"),
        (FakeKeep(breaks=("whisper",)), "no longer proved: whisper"),
        (FakeKeep(fails="brew upgrade failed: no network"), "no network"),
        (FakeKeep(new={"git": "2.52.1"}), "jq is 1.8.1, not 1.8.2"),
        (
            FakeKeep(new={"jq": "1.8.2", "oniguruma": "7.0.0"}),
            r"oniguruma came along in a major, 6.9.10 -> 7.0.0, .*--major brew:oniguruma",
        ),
    ],
)
def test_a_bad_update_is_undone(keep: FakeKeep, said: str) -> None:
    with pytest.raises(RolledBackError, match=said):
        apply(keep)
    assert (keep.kegs, keep.entry) == (BEFORE, "")
    assert "rolled back to vm-1" in keep.ended[0]


def test_a_major_that_was_named_may_come_along() -> None:
    keep = FakeKeep(new={"jq": "1.8.2", "oniguruma": "7.0.0"})
    apply(keep, JQ, Update("brew", "oniguruma", "6.9.10", "7.0.0", "major"))
    assert keep.kegs["oniguruma"] == "7.0.0"


def test_nothing_is_begun_while_not_all_is_well() -> None:
    keep = FakeKeep(ill="door ssh: refused")
    with pytest.raises(NotBegunError, match="door ssh"):
        apply(keep)
    assert (keep.kegs, keep.snapshots, keep.entry) == (BEFORE, {}, "")


def test_a_guest_that_is_not_well_again_keeps_its_journal() -> None:
    keep = FakeKeep(breaks=("opt/jq/bin/jq",))
    real = keep.restore

    def restore(snapshot: str) -> None:
        real(snapshot)
        keep.ill = "the guest does not answer"

    keep.restore = restore  # type: ignore[method-assign]
    with pytest.raises(UpdateError, match="does not answer"):
        apply(keep)
    assert journal.parse(keep.entry).stage == journal.ROLLING_BACK
    keep.ill, keep.restore = "", real  # type: ignore[method-assign]
    with pytest.raises(RolledBackError):
        work.resume(keep, quiet)
    assert (keep.kegs, keep.entry) == (BEFORE, "")


@pytest.mark.parametrize("breaks", [(), ("opt/jq/bin/jq",)])
def test_killed_anywhere_it_is_finished_or_undone(breaks: tuple[str, ...]) -> None:
    whole = FakeKeep(breaks=breaks)
    try:
        apply(whole)
    except RolledBackError:
        assert breaks
    ends = []
    for at in range(1, whole.steps + 1):
        keep = FakeKeep(breaks=breaks, killed_at=at)
        with pytest.raises(KilledError):
            apply(keep)
        changed = keep.kegs != BEFORE
        assert not changed or keep.entry or keep.ended, f"step {at}: changed, and nobody knows"
        if keep.entry:
            with pytest.raises(NotBegunError, match="is under way"):
                apply(keep)
        # Whoever comes next may be killed, too.
        for again in range(1, 12):
            keep.killed_at = keep.steps + again
            try:
                work.resume(keep, quiet)
            except (KilledError, RolledBackError):
                continue
            break
        assert keep.entry == "", f"step {at}: not settled"
        ends.append(keep.kegs["jq"])
        assert keep.kegs == BEFORE if breaks else keep.kegs["jq"] in {"1.8.1", "1.8.2"}
    # The control: without a broken program, the last steps do end with the update.
    assert (ends[-1] == "1.8.2") is not bool(breaks)


@pytest.mark.parametrize("breaks", [(), ("opt/jq/bin/jq",)])
def test_the_hosts_disk_is_full_at_each_write(breaks: tuple[str, ...]) -> None:
    keep = FakeKeep(breaks=breaks, full_at=1)
    with pytest.raises(NotBegunError, match=r"nothing was changed: .*No space left"):
        apply(keep)
    assert (keep.kegs, keep.entry) == (BEFORE, "")
    for full_at in (2, 3):
        keep = FakeKeep(breaks=breaks, full_at=full_at)
        if breaks:
            with pytest.raises(RolledBackError, match="no longer runs"):
                apply(keep)
            assert keep.kegs == BEFORE
        else:
            apply(keep)
            assert keep.kegs["jq"] == "1.8.2"
        assert keep.entry == ""
    # Killed then, what was written before leads back.
    for at in range(1, 30):
        keep = FakeKeep(breaks=breaks, full_at=2, killed_at=at)
        with contextlib.suppress(KilledError, RolledBackError):
            apply(keep)
        if keep.entry:
            with pytest.raises(RolledBackError):
                work.resume(keep, quiet)
            assert keep.kegs == BEFORE
        assert keep.entry == ""


def test_by_hand_it_is_kept_or_undone() -> None:
    keep = FakeKeep(breaks=("whisper",))
    work.begin(keep, "macOS 15.7.2", "me@here", quiet)
    with pytest.raises(NotBegunError, match="update finish"):
        work.resume(keep, quiet)
    with pytest.raises(NotBegunError, match="is under way"):
        apply(keep)
    keep.kegs["oniguruma"] = "7.0.0"
    assert "kept" in work.finish(keep, quiet)
    assert keep.kegs["oniguruma"] == "7.0.0"
    work.begin(keep, "node by hand", "me@here", quiet)
    keep.kegs["jq"] = "1.8.2"
    with pytest.raises(RolledBackError, match="no longer proved: whisper"):
        work.finish(keep, quiet)
    assert keep.kegs["jq"] == "1.8.1"
    with pytest.raises(NotBegunError, match="nothing was begun"):
        work.finish(keep, quiet)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 1}', '{"format": 2, "stage": "applying"}', "nonsense"]
)
def test_a_damaged_journal_is_no_journal(text: str) -> None:
    with pytest.raises(JournalError):
        journal.parse(text)


def test_a_journal_comes_back_as_it_was_written() -> None:
    entry = Entry(journal.APPLIED, "vm-1", "me", 1.5, "x", {"jq": "1"}, ("jq",), {"jq": "0"})
    assert journal.parse(entry.text()) == entry
    wrong = entry.text().replace('"applied"', '"dreaming"')
    with pytest.raises(JournalError, match="dreaming"):
        journal.parse(wrong)
