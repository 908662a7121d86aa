"""The ladder: one repair at a time, further apart each time, never for what it cannot mend."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clawkeep.health import ladder
from clawkeep.health.causes import CAUSES, GUEST, JOB, PROCESS
from clawkeep.health.ladder import HEALTHY_S, SETTLE_S, Ladder, decide

T = 1_800_000_000.0
ON_THE_HOST = (
    "host-disk-full", "suid-lost", "keychain-locked", "no-session", "slots-taken", "slot-leaked",
    "guest-cut", "sshd-dead", "guest-off", "guest-held", "guest-disk-full", "credential-refused",
)  # fmt: skip

#: What NanoClaw waits at its n-th start of an hour, as it is in its own source.
BREAKER_S = (0, 0, 10, 30, 120, 300, 900)


def passing(
    cause: str, for_s: float, found: Ladder | None = None, start: float = T
) -> tuple[Ladder, list[tuple[float, str]]]:
    """Have a cause stand for some time, looked at each 10 s; return what came of it."""
    state, done = found or Ladder(), []
    for second in range(0, int(for_s), 10):
        now = start + second
        decision = decide(now, state, cause)
        state = decision.ladder
        if decision.action:
            done.append((now, decision.action))
    return state, done


def kinds(done: Iterable[tuple[float, str]]) -> list[str]:
    return [action for _, action in done]


def test_it_goes_from_the_process_to_the_guest_and_then_stops() -> None:
    state, done = passing("loop-hung", 86_400)
    assert kinds(done) == [PROCESS, JOB, GUEST, GUEST]
    assert state.stopped
    says = decide(T + 86_400, state, "loop-hung").says
    assert "all repairs were tried" in says


def test_it_does_not_stop_before_the_last_repair_had_its_time() -> None:
    state, done = passing("vmnet-wedge", 10)
    ((acted, _),) = done
    assert not passing("vmnet-wedge", SETTLE_S[GUEST], state, acted + 1)[0].stopped
    stopped = passing("vmnet-wedge", SETTLE_S[GUEST] + 20, state, acted + 1)[0].stopped
    assert stopped - acted >= SETTLE_S[GUEST]


def test_each_wait_is_longer_than_what_the_repair_takes_and_than_the_one_before() -> None:
    _, done = passing("loop-hung", 86_400)
    gaps = [later - sooner for (sooner, _), (later, _) in itertools.pairwise(done)]
    for gap, (_, action) in zip(gaps, done, strict=False):
        assert gap >= SETTLE_S[action]
    assert gaps == sorted(gaps)


@pytest.mark.parametrize("cause", ON_THE_HOST)
def test_what_lies_on_the_host_is_said_and_nothing_is_restarted_for_it(cause: str) -> None:
    state, done = passing(cause, 86_400)
    assert done == []
    assert CAUSES[cause].fix in decide(T, state, cause).says


def test_a_wedge_of_vmnet_is_worth_one_start_of_the_guest() -> None:
    _, done = passing("vmnet-wedge", 86_400)
    assert kinds(done) == [GUEST]


def test_a_guest_that_ends_again_and_again_is_left_down() -> None:
    state, done = passing("guest-flapping", 3600)
    assert kinds(done) == ["hold"]
    assert kinds(passing("guest-held", 3600, state, T + 3600)[1]) == []


def test_nothing_is_repaired_while_something_holds_it_up() -> None:
    held = decide(T, Ladder(), "loop-hung", "a converge is at work")
    assert held.action == ""
    assert "a converge is at work" in held.says
    assert decide(T + 1, held.ladder, "loop-hung").action == PROCESS


def test_a_moment_of_health_does_not_begin_anew() -> None:
    state, _ = passing("loop-hung", 30)
    state = decide(T + 100, state, "").ladder
    state = decide(T + 100 + HEALTHY_S - 1, state, "").ladder
    assert decide(T + 100 + HEALTHY_S, state, "loop-hung").action == JOB


def test_a_quarter_of_an_hour_of_health_begins_anew() -> None:
    state, _ = passing("loop-hung", 30)
    state = decide(T + 100, state, "").ladder
    state = decide(T + 100 + HEALTHY_S, state, "").ladder
    assert state.tried == ()
    assert decide(T + 200 + HEALTHY_S, state, "loop-hung").action == PROCESS


def test_a_fault_that_comes_back_each_half_hour_does_not_restart_the_guest_for_ever() -> None:
    state, done = Ladder(), []
    for minute in range(7 * 24 * 60):
        now = T + 60 * minute
        decision = decide(now, state, "guest-frozen" if minute % 30 < 10 else "")
        state = decision.ladder
        done += [now] if decision.action else []
    assert len(done) > 7
    for moment in done:
        assert sum(1 for other in done if moment <= other < moment + 86_400) <= 4


@pytest.mark.parametrize("text", ["null", "[]", "{}", '{"tried": 1}', '{"history": [["x", 1]]}'])
def test_what_cannot_be_read_is_a_ladder_on_which_nothing_was_done(text: str) -> None:
    assert ladder.parse(json.loads(text)) == Ladder()


STEPS = st.lists(
    st.tuples(
        st.floats(min_value=1, max_value=4000),
        st.sampled_from(["", *CAUSES]),
        st.booleans(),
    ),
    max_size=120,
)


def run(steps: list[tuple[float, str, bool]]) -> list[tuple[float, str, str]]:
    """Go through a history of looks; return when what was done for which cause."""
    state, now, done = Ladder(), T, []
    for passed, cause, held in steps:
        now += passed
        decision = decide(now, state, cause, "held" if held else "")
        # A watcher that was killed reads what it wrote.
        state = ladder.parse(json.loads(json.dumps(decision.ladder.as_data())))
        assert state == decision.ladder
        if decision.action:
            assert cause
            assert not held
            done.append((now, decision.action, cause))
    return done


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_there_is_one_repair_per_back_off(
    steps: list[tuple[float, str, bool]],
) -> None:
    done = run(steps)
    for (sooner, first, _), (later, _, _) in itertools.pairwise(done):
        assert later - sooner >= min(SETTLE_S[first], HEALTHY_S)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_only_what_a_cause_names_is_done_for_it(
    steps: list[tuple[float, str, bool]],
) -> None:
    for _, action, cause in run(steps):
        assert action in CAUSES[cause].repairs
        assert cause not in ON_THE_HOST


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_whatever_happens_our_restarts_alone_never_have_nanoclaw_wait_for_long(
    steps: list[tuple[float, str, bool]],
) -> None:
    """Its breaker counts starts within an hour of the one before; all of ours may be crashes."""
    starts = [now for now, action, _ in run(steps) if action in {PROCESS, JOB, GUEST}]
    for moment in starts:
        within = [other for other in starts if moment - 3600 < other <= moment]
        assert BREAKER_S[len(within)] <= 30
        assert BREAKER_S[len(within)] < min(SETTLE_S[action] for action in (PROCESS, JOB, GUEST))


def test_what_was_done_in_a_future_that_was_taken_back_holds_nothing_up() -> None:
    ahead = T + 11 * 365 * 86_400
    tried = decide(ahead, Ladder(), "loop-hung").ladder
    assert decide(ahead + 1, tried, "loop-hung").action == ""  # It has its time.
    back = decide(T, tried, "loop-hung")
    assert "s from now" in back.says
    assert decide(T + 86_400, back.ladder, "loop-hung").action
    # And so for health: it counts from when it was seen.
    well = decide(ahead, tried, "").ladder
    well = decide(T, well, "").ladder
    assert decide(T + HEALTHY_S, well, "").ladder.tried == ()
