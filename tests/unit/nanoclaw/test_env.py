"""NanoClaw's settings: what is refused, where each goes, and that the `.env` reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.nanoclaw.env import EnvProblem, Key, Value, place, render_env, validate
from clawkeep.secrets import Secret

PLANTED = "hunter2-planted"

#: As the tables of the profiles have them (reference/nanoclaw.md §1.4).
KEYS = (
    Key("ASSISTANT_NAME", ".env"),
    Key("ASSISTANT_HAS_OWN_NUMBER", ".env", "bool"),
    Key("WEB_WS_PORT", ".env", "int"),
    Key("CHANNEL", ".env", "choice", choices=("whatsapp", "discord", "web")),
    Key("DISCORD_BOT_TOKEN", ".env", secret=True),
    Key("ANTHROPIC_API_KEY", ".env", secret=True),
    Key("CLAUDE_CODE_OAUTH_TOKEN", ".env", secret=True),
    Key("CONTAINER_TIMEOUT", "process", "int"),
    Key("LOG_LEVEL", "process", "choice", choices=("debug", "info")),
)
API = {"ANTHROPIC_API_KEY": Secret("sk-ant")}

# What JavaScript's trim() takes off; Python's strip() takes others.
BLANKS = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
BLANKS += "\u2028\u2029\u202f\u205f\u3000\ufeff"


def as_nanoclaw_reads(text: str) -> dict[str, str]:
    """Return what NanoClaw takes from an `.env`, by its rules: one line, one layer of quotes."""
    found = {}
    for line in text.split("\n"):
        name, equals, value = line.strip(BLANKS).partition("=")
        if name.startswith("#") or not equals:
            continue
        value = value.strip(BLANKS)
        for quote in "\"'":
            if value.startswith(quote) and value.endswith(quote):
                value = value[1:-1]
                break
        if value:
            found[name.strip(BLANKS)] = value
    return found


def test_a_good_declaration_has_no_problems() -> None:
    values: dict[str, Value] = {
        "ASSISTANT_NAME": "Andy",
        "ASSISTANT_HAS_OWN_NUMBER": False,
        "WEB_WS_PORT": 3334,
        "CHANNEL": "discord",
        "CONTAINER_TIMEOUT": "1800000",
        **API,
    }
    assert validate(values, KEYS) == ()
    assert validate({}, KEYS, secrets=["ANTHROPIC_API_KEY", "DISCORD_BOT_TOKEN"]) == ()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ASSISTANT_NAMES", "Andy", "unknown key; did you mean 'ASSISTANT_NAME'?"),
        ("assistant-name", "Andy", "unknown key; did you mean 'ASSISTANT_NAME'?"),
        ("DISCORD_TOKEN", Secret(PLANTED), "unknown key; did you mean 'DISCORD_BOT_TOKEN'?"),
        ("XYZZY", "1", "unknown key; known are ASSISTANT_NAME, "),
        ("WEB_WS_PORT", "30 000", "'30 000' is not a whole number"),
        ("WEB_WS_PORT", "-1", "is not a whole number"),
        ("WEB_WS_PORT", "\u0663", "is not a whole number"),
        ("WEB_WS_PORT", True, "True is not a whole number"),
        ("ASSISTANT_HAS_OWN_NUMBER", "yes", "'yes' is neither true nor false"),
        ("ASSISTANT_HAS_OWN_NUMBER", 1, "1 is neither true nor false"),
        ("CHANNEL", "irc", "'irc' is none of whatsapp, discord, web"),
        ("ASSISTANT_NAME", 7, "text is expected here, not 7; put it in quotes"),
        ("ASSISTANT_NAME", "", "is empty, which NanoClaw takes for absent; leave it out"),
        ("ASSISTANT_NAME", "two\nlines", "has more than one line"),
        ("ASSISTANT_NAME", "one\n", "has more than one line"),
        ("ASSISTANT_NAME", "a\rb", "has more than one line"),
        ("ASSISTANT_NAME", "a\u2028b", "has more than one line"),
        ("ASSISTANT_NAME", "\n", "has more than one line"),
        ("ASSISTANT_NAME", "a\x00b", "holds the character U+0000"),
        ("ASSISTANT_NAME", "a\x1bb", "holds the character U+001B"),
        ("ASSISTANT_NAME", "a\ud800b", "holds the character U+D800"),
        ("ASSISTANT_NAME", '"Andy"', "stands in quotes that would be part of it"),
        ("ASSISTANT_NAME", "'Andy'", "stands in quotes that would be part of it"),
        ("DISCORD_BOT_TOKEN", PLANTED, "is a secret and does not belong here in plain text"),
        ("DISCORD_BOT_TOKEN", Secret(""), "is empty"),
        ("DISCORD_BOT_TOKEN", Secret(PLANTED + "\n"), "has more than one line"),
        ("DISCORD_BOT_TOKEN", Secret(f'"{PLANTED}"'), "stands in quotes"),
    ],
)
def test_each_mistake_is_said_with_its_key_and_no_secret(
    name: str, value: Value, said: str
) -> None:
    [problem] = validate({name: value, **API}, KEYS)
    assert problem.name == name
    assert said in problem.message
    assert PLANTED not in problem.message


def test_a_key_of_the_process_does_nothing_in_the_file_and_is_said_to() -> None:
    values: dict[str, Value] = {"CONTAINER_TIMEOUT": 1, **API}
    [problem] = validate(values, KEYS, into=".env")
    assert problem.name == "CONTAINER_TIMEOUT"
    assert "is read from the process's environment alone" in problem.message
    assert validate(values, KEYS) == ()


def test_a_key_of_the_file_does_not_belong_to_the_process() -> None:
    [problem] = validate({"ASSISTANT_NAME": "Andy"}, KEYS[:1], into="process")
    assert problem == EnvProblem("ASSISTANT_NAME", "belongs into NanoClaw's .env")


@pytest.mark.parametrize("names", [(), ("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN")])
def test_exactly_one_credential_of_the_model_is_wanted(names: tuple[str, ...]) -> None:
    known: dict[str, Value] = {name: Secret("x") for name in names}
    for found in (validate(known, KEYS), validate({}, KEYS, secrets=names)):
        [problem] = found
        assert problem.name == ""
        assert "ANTHROPIC_API_KEY" in problem.message
        assert "CLAUDE_CODE_OAUTH_TOKEN" in problem.message


def test_a_profile_without_credentials_wants_none() -> None:
    assert validate({"ASSISTANT_NAME": "Andy"}, KEYS[:1]) == ()


def test_a_required_key_that_is_missing_is_said_and_a_reference_counts() -> None:
    keys = (Key("DISCORD_OWNER_ID", ".env", required=True),)
    assert validate({}, keys) == (EnvProblem("DISCORD_OWNER_ID", "is missing; add it"),)
    assert validate({}, keys, secrets=["DISCORD_OWNER_ID"]) == ()


def test_every_problem_is_said_at_once_in_the_order_of_the_declaration() -> None:
    values: dict[str, Value] = {"B": "1", "WEB_WS_PORT": "x", "A": "1"}
    assert [p.name for p in validate(values, KEYS, secrets=["C"])] == [
        "B", "WEB_WS_PORT", "A", "C", "",
    ]  # fmt: skip


def test_a_table_with_a_mistake_is_no_table() -> None:
    for key in (
        {"name": "A", "where": "process", "secret": True},
        {"name": "A", "where": ".env", "kind": "choice"},
        {"name": "A", "where": ".env", "choices": ("x",)},
    ):
        with pytest.raises(ValueError, match="A: "):
            Key(**key)


def test_each_value_goes_where_it_is_read_as_nanoclaw_compares_it() -> None:
    token = Secret("t")
    keys = (*KEYS, Key("API", "credentials", secret=True))
    placed = place(
        {"ASSISTANT_HAS_OWN_NUMBER": True, "DISCORD_BOT_TOKEN": token, "API": token,
         "CONTAINER_TIMEOUT": 60000, "LOG_LEVEL": "debug"},
        keys,
    )  # fmt: skip
    assert placed.dotenv == {"ASSISTANT_HAS_OWN_NUMBER": "true", "DISCORD_BOT_TOKEN": token}
    assert placed.process == {"CONTAINER_TIMEOUT": "60000", "LOG_LEVEL": "debug"}
    assert placed.credentials == {"API": token}


def test_a_secret_never_goes_to_the_process() -> None:
    with pytest.raises(TypeError) as caught:
        place({"LOG_LEVEL": Secret(PLANTED)}, KEYS)
    assert PLANTED not in str(caught.value)


def test_the_file_is_one_line_per_key_and_quotes_only_what_needs_them() -> None:
    text = render_env(
        {"A": "plain", "B": "two words", "C": Secret("tok=en#1"), "D": True, "E": " x ",
         "F": "it's", "G": "#x", "H": '"'},
    )  # fmt: skip
    assert text.reveal() == (
        "A=plain\nB=two words\nC=tok=en#1\nD=true\nE=' x '\nF=it's\nG='#x'\nH='\"'\n"
    )


def test_the_text_of_the_file_is_itself_a_secret() -> None:
    assert PLANTED not in repr(render_env({"A": Secret(PLANTED)}))


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True),
        st.one_of(
            st.text(min_size=1),
            st.text(alphabet="'\" #=\\$`\u00a0\ufeffab", min_size=1, max_size=6),
        ),
        max_size=5,
    )
)
def test_nanoclaw_reads_exactly_what_was_declared_or_it_is_refused(values: dict[str, str]) -> None:
    keys = [Key(name, ".env") for name in values]
    bad = {problem.name for problem in validate(values, keys)}
    good = {name: value for name, value in values.items() if name not in bad}
    assert as_nanoclaw_reads(render_env(good).reveal()) == good
    for name in bad:
        quoted = values[name][0] in "'\"" and values[name][0] == values[name][-1]
        if not quoted:
            with pytest.raises(ValueError, match=name):
                render_env({name: values[name]})
