"""An agent answered, or it did not: status and exit code are not asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.contract.markers import Output
from clawkeep.contract.verdict import LONGEST, Verdict, judge, judge_outputs

# As claude-agent-sdk 0.2.34 writes them.
NO_ANSWERS = {
    "Not logged in · Please run /login": "login",
    "Your account does not have access to Claude Code. Please run /login.": "login",
    "Your organization does not have access to Claude. Please login again or contact your "
    "administrator.": "login",
    "Invalid API key · Fix external API key": "credential",
    "OAuth token revoked · Please run /login": "credential",
    'API Error: 401 {"type":"error","error":{"type":"authentication_error"}} · '
    "Please run /login": "credential",
    "Failed to authenticate. API Error: 403 Forbidden": "credential",
    "Credit balance is too low": "billing",
    "You've hit your session limit · resets 3pm (Europe/Berlin)": "billing",
    "You've hit your limit": "billing",
    'API Error: 529 {"type":"error","error":{"type":"overloaded_error"}}': "overloaded",
    "Repeated 529 Overloaded errors": "overloaded",
    "Opus is experiencing high load, please use /model to switch to Sonnet": "overloaded",
    "API Error: Connection error.": "api",
    "Request timed out": "api",
    "Prompt is too long": "api",
}
ANSWERS = [
    "4",
    "You have not run out of credit.",
    "You've hit your goal for the week!",
    "Here is what it says: Not logged in · Please run /login",
    "Not logged in users see the banner on top.",
    "Invalid API key handling is in auth.ts, line 12.",
    "Overloaded functions share one name.",
    "Request timed out three times last night; then it worked.",
]


@pytest.mark.parametrize(("text", "reason"), NO_ANSWERS.items())
def test_a_sentence_about_the_login_is_no_answer(text: str, reason: str) -> None:
    assert judge(f"\n{text}\n") == Verdict(False, reason, text)
    assert judge_outputs([Output("success", result=text)]) == Verdict(False, reason, text)


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_that_talks_about_such_things_is_one(text: str) -> None:
    assert judge(text) == Verdict(True, "answer", text)


@given(st.sampled_from(sorted(NO_ANSWERS)))
def test_a_long_text_that_begins_like_one_is_an_answer(text: str) -> None:
    assert judge(text + " x" * LONGEST).ok


@pytest.mark.parametrize("nothing", [None, "", " \n\t"])
def test_nothing_is_no_answer(nothing: str | None) -> None:
    assert judge(nothing) == Verdict(False, "silent")


def test_the_first_result_decides_and_session_updates_do_not() -> None:
    update = Output("success", session_id="s-1")
    answer = Output("success", result="4")
    # Closing an agent in the middle of a query makes it fail after it has answered.
    failed = Output("error", error="Claude Code process exited with code 1")
    assert judge_outputs([update, answer, failed]) == Verdict(True, "answer", "4")
    assert judge_outputs([update, failed, answer]) == Verdict(False, "error", failed.error or "")
    assert judge_outputs([update, update]).reason == "silent"
    assert judge_outputs([]).reason == "silent"


def test_an_error_that_is_about_the_credential_says_so() -> None:
    output = Output("error", error="Invalid API key · Fix external API key")
    assert judge_outputs([output]).reason == "credential"


def test_what_is_not_of_the_contract_is_no_answer() -> None:
    outputs = [Output("malformed", error="no JSON object"), Output("success", result="4")]
    assert judge_outputs(outputs) == Verdict(False, "malformed", "no JSON object")


def test_a_verdict_quotes_a_bounded_part() -> None:
    assert len(judge("y" * 100_000).detail) == LONGEST
