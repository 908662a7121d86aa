"""Texts to rules and back: what is written, what pfctl prints, and what is refused, and where."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given, settings

from clawkeep.pf import PfSyntaxError, names, parse_rules
from tests.unit.pf.texts import anchor_texts

LIVE_MAC = """\
scrub-anchor "com.apple/*" all fragment reassemble
scrub-anchor "com.apple.internet-sharing" all fragment reassemble
anchor "com.apple/*" all
anchor "com.apple.internet-sharing" all
"""
PF_CONF = """\
#
# Default PF configuration file.
#
scrub-anchor "com.apple/*"
nat-anchor "com.apple/*"
rdr-anchor "com.apple/*"
dummynet-anchor "com.apple/*"
anchor "com.apple/*"
load anchor "com.apple" from "/etc/pf.anchors/com.apple"
"""
PRINTED = [
    (
        "pass in quick on bridge100 inet proto tcp from 192.168.64.2 to 192.168.64.1 port = 18443 "
        'flags S/SA keep state label "clawkeep-svc-vault"'
    ),
    (
        "pass in quick on bridge100 inet proto udp from any port = 68 to 255.255.255.255 port = 67 "
        'no state label "clawkeep-dhcp"'
    ),
    'block return in quick on bridge100 inet all label "clawkeep-deny4"',
    'block drop in quick on bridge100 inet6 all label "clawkeep-deny6"',
    "pass on bridge100 all flags any keep state rtable 5",
    "pass out on ! en0 inet6 proto ipv6-icmp all icmp6-type echoreq code 0 keep state",
    "block drop in log (all) on en0 inet from ! 10.0.0.0/8 to any",
    "block return-icmp(port-unr, port-unr) in all",
    "block return-rst in inet proto tcp from <bad> to (en0) port 1:1024",
    (
        "pass in inet proto tcp from 10.0.0.1 - 10.0.0.9 port > 1024 to any port 5 >< 9 user = 501 "
        "flags S/SA modulate state (max 10, tcp.established 60)"
    ),
    'pass in inet proto udp from no-route to any keep state probability 20% tagged "x"',
    "pass in route-to (en1 10.0.0.1) inet all flags S/SA keep state allow-opts",
    "block drop proto 200 all",
    'anchor "com.apple.internet-sharing" all',
    'anchor "x" in on bridge100 inet proto tcp all',
    "scrub on en0 all no-df max-mss 1460 fragment reassemble",
    "block return-icmp(host-unr) in inet all",
    "block return-icmp6(noroute-unr) in inet6 all",
    "block return-icmp(port-unr, admin-unr) in all",
    "block drop in inet all fragment",
    'pass in inet all flags S/SA keep state tag "x"',
    "pass in inet all flags S/SA tos 0x10 keep state",
    'pass all flags S/SA keep state queue "q"',
    "pass in log (user) quick all flags S/SA keep state",
    "pass in inet proto tcp all flags /SA keep state",
    "pass in inet proto tcp from any port = 0 to any port = 65535 flags S/SA keep state",
    "pass in proto 255 all keep state",
    "pass in inet proto icmp all icmp-type echorep keep state",
    "pass in inet proto icmp all icmp-type unreach code port-unr keep state",
    "pass in inet proto icmp all icmp-type redir code redir-host keep state",
    "pass in inet6 proto ipv6-icmp all icmp6-type unreach code admin-unr keep state",
    "pass in inet6 proto ipv6-icmp all icmp6-type 99 code 3 keep state",
    'table <t> const persist file "/etc/x" { 10.0.0.1, ! 10.0.0.2 }',
    "table <t> persist",
    "set skip on lo0",
]
#: What a packet's header does not answer, and the rule that asks for it.
OPAQUE = {
    "fastroute": "pass in fastroute inet all flags S/SA keep state",
    "route-to (en1 10.0.0.1)": "pass in route-to (en1 10.0.0.1) inet all flags S/SA keep state",
    "reply-to (en1 10.0.0.1)": "pass in reply-to (en1 10.0.0.1) inet all flags S/SA keep state",
    "dup-to (en1 10.0.0.1)": "pass in dup-to (en1 10.0.0.1) inet all flags S/SA keep state",
    "user = 501": "pass in inet proto tcp all user = 501 flags S/SA keep state",
    "group = 20": "pass in inet proto tcp all group = 20 flags S/SA keep state",
    'os "Linux"': 'pass in inet proto tcp from any os "Linux" to any flags S/SA keep state',
    "tos 0x10": "pass in inet all flags S/SA tos 0x10 keep state",
    "probability 50%": "pass in inet all flags S/SA keep state probability 50%",
    "fragment": "block drop in inet all fragment",
    'tagged "x"': 'pass in inet proto udp all keep state tagged "x"',
    '!tagged "x"': 'pass in inet proto udp all keep state ! tagged "x"',
    "rtable 5": "pass on bridge100 all flags any keep state rtable 5",
    "dynamic": "block return in inet from (en0) to any",
    "route": 'pass in inet from route "x" to any flags S/SA keep state',
    "no-route": "block drop in inet from no-route to any",
    "urpf-failed": "block drop in inet from any to urpf-failed",
    "max 10": "pass in inet proto udp all keep state (max 10)",
}


@pytest.mark.parametrize("line", PRINTED)
def test_what_pfctl_prints_is_its_own_normal_form(line: str) -> None:
    assert parse_rules(f"{line}\n").printed() == f"{line}\n"


@pytest.mark.parametrize(("condition", "line"), OPAQUE.items(), ids=OPAQUE)
def test_what_no_header_answers_is_named(condition: str, line: str) -> None:
    rules = parse_rules(f"{line}\n")
    assert rules.printed() == f"{line}\n"
    assert rules.rules[0].opaque() == (condition,)


def test_a_plain_rule_asks_for_nothing_else() -> None:
    assert [parse_rules(f"{line}\n").rules[0].opaque() for line in PRINTED[:5]] == [
        (), (), (), (), ("rtable 5",),
    ]  # fmt: skip


def test_names_are_those_of_the_registries() -> None:
    """IANA's, as the system's own files have them; a name that pf has and IANA has not is below."""
    for name, number in names.PROTOCOLS.items():
        known = {"ipencap": 4, "etherip": 97, "ipv6-icmp": 58, "icmp6": 58}.get(name)
        assert number == (known or socket.getprotobyname(name)), name
    for name, number in names.SERVICES.items():
        known = {"bootps": 67, "bootpc": 68, "mdns": 5353, "http-alt": 8080, "syslog": 514}.get(
            name
        )
        assert number == (known or socket.getservbyname(name)), name


def test_the_main_rulesets_of_a_mac_are_understood() -> None:
    assert parse_rules(LIVE_MAC).printed() == LIVE_MAC
    assert parse_rules(PF_CONF).printed() == (
        'scrub-anchor "com.apple/*" all fragment reassemble\n'
        'nat-anchor "com.apple/*" all\n'
        'rdr-anchor "com.apple/*" all\n'
        'dummynet-anchor "com.apple/*" all\n'
        'load anchor "com.apple" from "/etc/pf.anchors/com.apple"\n'
        'anchor "com.apple/*" all\n'
    )


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("pass in all", "pass in all flags S/SA keep state"),
        ("pass", "pass all flags S/SA keep state"),
        ("pass proto udp", "pass proto udp all keep state"),
        ("pass no state", "pass all no state"),
        ("pass flags any", "pass all flags any keep state"),
        ("pass proto udp modulate state", "pass proto udp all keep state"),
        ("block", "block drop all"),
        ("block return-icmp inet", "block return-icmp(port-unr) inet all"),
        ("block from 10/8", "block drop inet from 10.0.0.0/8 to any"),
        ("block from 0.0.0.0/0 to any", "block drop inet all"),
        ("block to ::/0", "block drop inet6 all"),
        ("block from 192.168.64.7/24", "block drop inet from 192.168.64.0/24 to any"),
        ("block proto tcp to port http", "block drop proto tcp from any to any port = 80"),
        ("block proto icmp6", "block drop proto ipv6-icmp all"),
        ("block log quick", "block drop log quick all"),
        ("block quick log", "block drop log quick all"),
        ("block in on 'en0'", "block drop in on en0 all"),
        ("pass label x", 'pass all flags S/SA keep state label "x"'),
        ("block in \\\n on en0", "block drop in on en0 all"),
        ("block # all of it", "block drop all"),
        ("block user nobody", "block drop all user = nobody"),
        ("pass proto icmp inet6", None),
    ],
)  # fmt: skip
def test_defaults_are_written_out(written: str, printed: str | None) -> None:
    if printed is None:
        with pytest.raises(PfSyntaxError):
            parse_rules(f"{written}\n")
    else:
        assert parse_rules(f"{written}\n").printed() == f"{printed}\n"


def test_lists_expand_as_pfctl_does_the_last_list_fastest() -> None:
    rules = parse_rules(
        "block in on { en0, en1 } proto { tcp udp } from { 10.0.0.1\n 10.0.0.2 } to port { 1, 2 }\n"
    )
    ends = [
        (rule.interface, rule.protocol, rule.source.low & 3, rule.destination_port.low)
        for rule in rules
    ]
    assert ends == [
        (on, protocol, source, port)
        for on in ("en0", "en1")
        for protocol in (6, 17)
        for source in (1, 2)
        for port in (1, 2)
    ]


def test_combinations_of_two_families_are_left_out() -> None:
    rules = parse_rules("block from { 10.0.0.1, fd00::1 } to { 10.0.0.2, fd00::2 }\n")
    assert rules.printed() == (
        "block drop inet from 10.0.0.1 to 10.0.0.2\nblock drop inet6 from fd00::1 to fd00::2\n"
    )


def test_flags_go_where_tcp_is_and_nowhere_else() -> None:
    rules = parse_rules("pass proto { tcp udp } flags S/SA\n")
    assert [rule.flag_mask for rule in rules] == ["SA", ""]


def test_a_comment_that_ends_in_a_backslash_swallows_the_next_line() -> None:
    assert parse_rules("# so \\\nblock all\npass all\n").printed().startswith("pass")


def test_options_count_in_the_main_ruleset_and_do_nothing_in_an_anchor() -> None:
    text = "set skip on lo0\nset block-policy return\nblock in\n"
    assert parse_rules(text).skip == ("lo0",)
    assert parse_rules(text).printed().endswith("block return in all\n")
    assert parse_rules(text, anchor="x").printed() == "block drop in all\n"


def test_inline_anchors_keep_their_rules() -> None:
    text = 'anchor "x" in on en0 all {\n  block drop all\n  anchor out all {\n    pass\n  }\n}\n'
    rules = parse_rules(text)
    assert parse_rules(rules.printed()) == rules
    assert rules.printed() == text.replace("    pass\n", "    pass all flags S/SA keep state\n")


def test_rules_know_their_lines() -> None:
    text = "# one\n\nblock in on \\\n  en0\npass proto { tcp udp }\n"
    assert [rule.line for rule in parse_rules(text)] == [3, 5, 5]


def test_tables_are_kept_and_masked() -> None:
    rules = parse_rules('table <t> persist const { 10.1.2.3/8, !10.0.0.1 } \ntable <u> file "/f"\n')
    assert rules.printed() == (
        'table <t> const persist { 10.0.0.0/8, ! 10.0.0.1 }\ntable <u> file "/f"\n'
    )
    assert [table.known for table in rules.tables] == [True, False]


@settings(max_examples=60)
@given(anchor_texts(doubtful=True))
def test_printed_and_parsed_again_is_the_same(text: str) -> None:
    rules = parse_rules(text)
    assert parse_rules(rules.printed()) == rules
    assert parse_rules(rules.printed()).printed() == rules.printed()


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("pass in", 1, 8, "expected the end of the line, found the end of the text"),
        ("pass in\r\n", 1, 8, "expected the end of the line, found '\\r'"),
        ("pass in\nmatch in all\n", 2, 1, "expected a rule, found match"),
        ('ext = "en0"\n', 1, 1, "expected a rule, found ext"),
        ("block in on\n", 1, 12, "the name of an interface"),
        ("block in on an_interface_16c\n", 1, 13, "interface name too long"),
        ("block proto tcp to port 65536\n", 1, 25, "illegal port value 65536"),
        ("block proto tcp to port 9:1\n", 1, 25, "ends before it begins"),
        ("block proto tcp to port nope\n", 1, 25, "expected a port, found nope"),
        ("block to port 80\n", 1, 1, "port only applies to tcp/udp"),
        ("block proto nope\n", 1, 13, "expected a protocol"),
        ("block proto 0\n", 1, 13, "proto 0 cannot be used"),
        ("block proto 256\n", 1, 13, "0 to 255"),
        ("block from en0\n", 1, 12, "names are resolved at load"),
        ("block from example.net\n", 1, 12, "names are resolved at load"),
        ("block from fe80::1%en0\n", 1, 12, "scope"),
        ("block from 10.0.0.0/33\n", 1, 12, "longer than an address"),
        ("block from 10.0.0.9 - 10.0.0.1\n", 1, 12, "ends before it begins"),
        ("block from ! 0.0.0.0/0\n", 1, 12, "matches nothing"),
        ("block from { 10.0.0.1,\n 10.0.0.2 }\n", 1, 23, "expected an address"),
        ("block from { any, 10.0.0.1 }\n", 1, 14, "expected an address"),
        ("block from {}\n", 1, 13, "expected an address"),
        ("block from 10.0.0.1 to fd00::1\n", 1, 1, "no valid combination"),
        ("block from <a_name_of_thirty_two_characters_> to any\n", 1, 13, "table name too long"),
        ("block keep state\n", 1, 7, "doesn't make sense"),
        ("block allow-opts\n", 1, 7, "pass rules"),
        ("block return-rst\n", 1, 1, "TCP rules"),
        ("pass proto udp flags S/SA\n", 1, 16, "flags only apply to tcp"),
        ("pass flags S/A\n", 1, 12, "flags always false"),
        ("pass flags X/SA\n", 1, 12, "expected flags"),
        ("pass flags any flags any\n", 1, 16, "cannot be redefined"),
        ("pass inet proto tcp icmp-type echoreq\n", 1, 1, "icmp-type mismatch"),
        ("pass proto icmp icmp-type echoreq\n", 1, 1, "must indicate address family"),
        ("pass label in\n", 1, 12, "expected a label"),
        ("pass label 7\n", 1, 12, "expected a label"),
        (f'pass label "{"x" * 64}"\n', 1, 12, "rule label too long"),
        ('pass label "$srcaddr"\n', 1, 12, "macros in a label"),
        ('pass label "x\n', 1, 12, "expected a label"),
        ("anchor com.apple/*\n", 1, 8, "must be quoted"),
        ('anchor "_x"\n', 1, 8, "reserved"),
        ('anchor "../x"\n', 1, 8, "upward"),
        ("anchor in\n", 1, 1, "must specify a name"),
        ('anchor "x" { block }\n', 1, 14, "expected the end of the line"),
        ('anchor "x" {\ntable <t> { }\n}\n', 2, 1, "expected pass, block, anchor or '}'"),
        ('anchor "x" {\nblock\n', 3, 1, "found the end of the text"),
        ("block\nscrub-anchor \"x\"\n", 2, 1, "Rules must be in order"),
        ("block\nset block-policy return\n", 2, 18, "Rules must be in order"),
        ("nat on en0 from any to any -> (en0)\n", 1, 1, "nat is not judged here"),
        ('include "/etc/x"\n', 1, 1, "include is not judged here"),
        ("antispoof for en0\n", 1, 1, "antispoof is not judged here"),
        ("set timeout interval 10\n", 1, 5, "other options are not judged here"),
        ("table <t> { 10.0.0.1 - 10.0.0.9 }\n", 1, 13, "expected an address or a network"),
        ("table <t> {1.2.3.4}\ntable <t> {1.2.3.4}\n", 2, 1, "there twice"),
        ("pass route-to en1\n", 1, 6, "direction must be explicit"),
        ("# ok\npass in \\\n  on en0 nonsense\n", 3, 10, "found nonsense"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_where_it_stands(
    text: str, line: int, column: int, reason: str
) -> None:
    with pytest.raises(PfSyntaxError) as caught:
        parse_rules(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"{line}:{column}: ")
