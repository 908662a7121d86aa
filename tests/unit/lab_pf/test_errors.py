"""What the lab's pfctl refuses, in the words and with the line that a Mac's gives."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.mac.pf.names import KEYWORDS
from lab.mac.pf.parser import parse
from lab.mac.pf.printer import rule_text
from tests.unit.lab_pf.test_rules_text import Mac, parsed

ORDER = "Rules must be in order: options, normalization, queueing, translation, filtering"
SKIPPED = ["stdin:1: skipping rule due to errors", "stdin:1: rule expands to no valid combination"]


@pytest.mark.parametrize(
    "line",
    [
        "match in all",
        "pass in once",
        "pass in received-on en0",
        "pass in divert-to 1.2.3.4 port 1",
        "pass out set prio 1",
        "pass out nat-to 1.2.3.4",
        "pass in rdr-to 1.2.3.4",
        "pass in max-mss 1400",
        "pass in no-df",
        "pass in keep state (sloppy)",
        "pass in on en0 extfilter ei",
        "block in {",
        "block from { 1.1.1.1, }",
        "block from { }",
        "block from {\n1.1.1.1,\n2.2.2.2 }",
        "block in on { }",
        "pass in port 80",
        "pass in proto tcp from any port",
        "block label 22",
        "pass tag 7",
        "anchor 5",
        "block label all",
        "table <all> { 1.2.3.4 }",
        "all = 5",
        "table <t> { 1.1.1.1",
        "nat on en0 -> 1.2.3.4 foo",
        "block in\r",
        "blok in",
        "block in from 10",
        "block in on",
        "set skip lo0",
        "set reassemble yes",
        'anchor "x" { block }',
        'anchor "x" {\nnat on en0 from any to any -> 1.2.3.4\n',
        'anchor "x" {\ntable <t> { 1.2.3.4 }\n',
        "pass in \xe9",
    ],
)
def test_what_is_not_in_the_grammar_is_a_syntax_error(line: str) -> None:
    result = parsed(line + "\n")
    assert result.errors[0].endswith(": syntax error")


@pytest.mark.parametrize(
    ("line", "errors"),
    [
        ("block proto udp to port 80 flags S/SA", ["stdin:1: flags only apply to tcp"]),
        ("block to any port 80", ["stdin:1: port only applies to tcp/udp", *SKIPPED]),
        ("block proto icmp to port 80", ["stdin:1: port only applies to tcp/udp", *SKIPPED]),
        ("block proto tcp to port nosuch", ["stdin:1: unknown port nosuch"]),
        ("block proto tcp to port 65536", ["stdin:1: illegal port value 65536"]),
        ("block proto nosuch", ["stdin:1: unknown protocol nosuch"]),
        ("block proto 256", ["stdin:1: protocol outside range"]),
        ("block proto 0", ["stdin:1: proto 0 cannot be used"]),
        ("block proto tcp user nosuch", ["stdin:1: unknown user nosuch"]),
        (
            "block keep state",
            ["stdin:1: keep state on block rules doesn't make sense", *SKIPPED],
        ),
        ("block inet from fe80::1", ["stdin:1: rule expands to no valid combination"]),
        ("block inet6 from 1.2.3.4", ["stdin:1: rule expands to no valid combination"]),
        (
            "block from nosuch.test",
            [
                "no IP address found for nosuch.test",
                "stdin:1: could not parse host specification",
            ],
        ),
        (
            "block from bridge100:network",
            [
                "no IP address found for bridge100:network",
                "stdin:1: could not parse host specification",
            ],
        ),
        ("block from 1.2.3.4/33", ["stdin:1: netmask 33 invalid for IPv4 address", *SKIPPED]),
        (
            "block proto icmp icmp-type echoreq",
            ["stdin:1: must indicate address family with icmp-type/code", *SKIPPED],
        ),
        ("block return-rst", ["stdin:1: return-rst can only be applied to TCP rules", *SKIPPED]),
        ("pass flags A/S", ["stdin:1: flags always false"]),
        ("pass proto tcp flags X/S", ["stdin:1: bad flags X"]),
        ("pass no state tag x", ["stdin:1: tags cannot be used without keep state", *SKIPPED]),
        ("block probability 0", ["stdin:1: invalid probability: 0"]),
        ("scrub in quick", ["stdin:1: scrub rules do not support 'quick'"]),
        (
            "nat on en0 from any to any",
            ["stdin:1: translation rule requires '-> address'"],
        ),
        (
            "no nat on en0 from any to any -> 1.2.3.4",
            ["stdin:1: translation rule with 'no' does not need '->'"],
        ),
        (
            "rdr on en0 -> 1.2.3.4 port 80",
            ["stdin:1: rpool port only applies to tcp/udp", *SKIPPED],
        ),
        (
            "table <t> { 1.1.1.1 - 1.1.1.5 }",
            ["stdin:1: address ranges are not permitted inside tables"],
        ),
        ("table <t> { <u> }", ["stdin:1: tables cannot contain tables"]),
        ("table <t> { (en0) }", ["stdin:1: dynamic addresses are not permitted inside tables"]),
        ("table <t> forever", ["stdin:1: invalid table option 'forever'"]),
        ('table <t> file "/none"', ['stdin:1: cannot load "/none": No such file or directory']),
        ("set limit nosuch 5", ["stdin:1: unable to set limit nosuch 5"]),
        ("set timeout nosuch 5", ["stdin:1: unknown timeout nosuch"]),
        ("set optimization nosuch", ["stdin:1: unknown optimization nosuch"]),
        ("block on interface-name-too-long", ["stdin:1: interface name too long"]),
        ("anchor {\n}", []),
        ("anchor in", ["stdin:1: anchors without explicit rules must specify a name"]),
        ('anchor "_x"', ["stdin:1: anchor names beginning with '_' are reserved for internal use"]),
        (
            'anchor "a/b" {\nblock\n}',
            ["stdin:3: anchor paths containing '/' cannot be used for inline anchors."],
        ),
        ("block to $nosuch", ["stdin:1: macro 'nosuch' not defined", "stdin:1: syntax error"]),
    ],
)
def test_what_makes_no_sense_has_its_own_message(line: str, errors: list[str]) -> None:
    assert parsed(line + "\n").errors == errors


@pytest.mark.parametrize(
    ("limit", "line", "message"),
    [
        (63, 'block label "{}"', "rule label too long (max 63 chars)"),
        (31, "table <{}> persist", "table name too long, max 31 chars"),
        (31, "block from <{}>", "table name '{}' too long"),
        (63, "pass tag {}", "tag too long, max 63 chars"),
        (15, "block on {}", "interface name too long"),
        (63, 'anchor "{}"', "anchor name '{}' too long"),
    ],
)
def test_names_have_limits(limit: int, line: str, message: str) -> None:
    assert parsed(line.format("x" * limit) + "\n").errors == []
    name = "x" * (limit + 1)
    assert parsed(line.format(name) + "\n").errors == [f"stdin:1: {message.format(name)}"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("block", "set limit states 5"),
        ("block", "scrub in"),
        ("block", "nat on en0 from any to any -> 1.2.3.4"),
        ('anchor "a"', 'nat-anchor "a"'),
        ('nat-anchor "a"', 'scrub-anchor "a"'),
        ("nat on en0 from any to any -> 1.2.3.4", "set debug misc"),
        ("block", 'rdr-anchor "a"'),
    ],
)
def test_statements_have_an_order(first: str, second: str) -> None:
    assert parsed(f"{second}\n{first}\n").errors == []
    assert parsed(f"{first}\n{second}\n").errors == [f"stdin:2: {ORDER}"]
    assert parsed(f"set require-order no\n{first}\n{second}\n").errors == []


@pytest.mark.parametrize(
    "free",
    [
        'a = "b"',
        "table <t> persist",
        'include "/i"',
        'load anchor "a" from "/f"',
        "set skip on lo0",
        "set state-policy floating",
        "set ruleset-optimization none",
        'dummynet-anchor "a"',
    ],
)
def test_some_statements_may_stand_anywhere(free: str) -> None:
    assert parsed(f"block\n{free}\nblock\n").errors == []


def test_every_bad_line_is_reported_and_good_ones_go_on() -> None:
    result = parsed("block\nfoo bar\npass in\nbaz\nblock proto nosuch\n")
    assert result.errors == [
        "stdin:2: syntax error",
        "stdin:4: syntax error",
        "stdin:5: unknown protocol nosuch",
    ]
    assert [rule_text(rule) for rule in result.rulesets[""]] == [
        "block drop all",
        "pass in all flags S/SA keep state",
    ]


def test_the_last_line_must_end_in_a_newline() -> None:
    assert parsed("block in\npass out").errors == ["stdin:2: syntax error"]
    assert parsed("block in\n# comment without newline").errors == []
    assert parsed("").errors == []


def test_a_continued_statement_is_reported_at_its_last_line() -> None:
    assert parsed("block \\\n in \\\n foo\n").errors == ["stdin:3: syntax error"]


def test_an_error_in_an_included_file_names_that_file() -> None:
    class WithBadFile(Mac):
        def read_text(self, path: str) -> str:
            return "block\nfoo\n" if path == "/bad" else super().read_text(path)

    assert parse('include "/bad"\n', "stdin", WithBadFile()).errors == ["/bad:2: syntax error"]


def test_a_file_that_includes_itself_ends_in_an_error() -> None:
    class Loop(Mac):
        def read_text(self, path: str) -> str:
            return 'include "/loop"\n'

    assert (
        parse('include "/loop"\n', "stdin", Loop())
        .errors[0]
        .endswith("cannot open include file /loop")
    )


_WORDS = st.one_of(
    st.sampled_from(sorted(KEYWORDS)),
    st.sampled_from(
        [
            "{", "}", ",", "!", "(", ")", "<", ">", "=", "/", "->", "><", "<>", "\n", "\\\n", "#",
            "tcp", "udp", "icmp", "en0", "en0:network", "10/8", "1.2.3.4", "fe80::1%en0", "80", "S",
            "SA", '"x"', '"com.apple/*"', "$m", "m", "'", '"', "1:2", "-", "persist", "yes",
        ]
    ),
    st.text(string.printable, max_size=8),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(_WORDS, max_size=30), st.sampled_from([" ", "", "\n"]))
def test_any_words_are_rules_or_errors_with_a_line(words: list[str], between: str) -> None:
    result = parsed(between.join(words) + "\n")
    for error in result.errors:
        assert error.startswith(("stdin:", "no IP address found", "invalid netmask", "/i:"))
    for rules in result.rulesets.values():
        for rule in rules:
            assert rule_text(rule)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_parsed_without_a_crash(text: str) -> None:
    result = parsed(text)
    lines = text.count("\n") + 1
    for error in result.errors:
        if error.startswith("stdin:"):
            assert 1 <= int(error.split(":")[1]) <= lines


_PROTO = st.sampled_from(["", "proto tcp ", "proto udp ", "proto icmp "])
_SIDE = st.sampled_from(["any", "10.0.0.0/8", "! 1.2.3.4", "<t>", "(en0)", "1.1.1.1 - 1.1.1.7"])


@given(
    action=st.sampled_from(["pass", "block drop", "block return"]),
    direction=st.sampled_from(["", "in ", "out "]),
    quick=st.sampled_from(["", "quick "]),
    interface=st.sampled_from(["", "on en0 ", "on ! bridge100 "]),
    proto=_PROTO,
    source=_SIDE,
    target=_SIDE,
    end=st.sampled_from(["", ' label "a b"', " no state"]),
)
def test_what_is_printed_reads_back_as_the_same_rule(
    action: str,
    direction: str,
    quick: str,
    interface: str,
    proto: str,
    source: str,
    target: str,
    end: str,
) -> None:
    line = f"{action} {direction}{quick}{interface}inet {proto}from {source} to {target}{end}\n"
    first = parsed(line)
    assert first.errors == []
    once = [rule_text(rule) for rule in first.rulesets[""]]
    again = parsed("".join(f"{one}\n" for one in once))
    assert again.errors == []
    assert [rule_text(rule) for rule in again.rulesets[""]] == once
