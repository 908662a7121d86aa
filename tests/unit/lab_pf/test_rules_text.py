"""Rules in, rules out: what the lab's pfctl makes of a line, as a Mac's `pfctl -sr` prints it."""

import pytest

from lab.mac.pf.environment import Environment, InterfaceAddress
from lab.mac.pf.parser import Parsed, parse
from lab.mac.pf.printer import rule_text


class Mac(Environment):
    """A machine with en0 and nothing else."""

    def interface(self, name: str) -> list[InterfaceAddress] | None:
        addresses = {
            "en0": [
                InterfaceAddress("inet", "10.0.10.2", 24, "10.0.10.255"),
                InterfaceAddress("inet", "10.0.10.3", 24, "10.0.10.255"),
                InterfaceAddress("inet6", "fd00::2", 64),
            ],
            "lo0": [InterfaceAddress("inet", "127.0.0.1", 8)],
        }
        return addresses.get(name)

    def resolve(self, name: str) -> list[tuple[str, str]]:
        known = {"two.test": [("inet", "192.0.2.1"), ("inet6", "2001:db8::1")]}
        return known.get(name, [])

    def user(self, name: str) -> int | None:
        return {"operator": 501, "nobody": 4294967294}.get(name)

    def group(self, name: str) -> int | None:
        return {"staff": 20}.get(name)

    def read_text(self, path: str) -> str:
        files = {"/t": "1.2.3.4\n10/8 # all of ten\n!10.1.2.3\n", "/i": "block in\n"}
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory", path)
        return files[path]


def parsed(text: str) -> Parsed:
    return parse(text, "stdin", Mac())


def printed(text: str, anchor: str = "") -> list[str]:
    result = parsed(text)
    assert result.errors == []
    return [rule_text(rule) for rule in result.rulesets[anchor]]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("pass", "pass all flags S/SA keep state"),
        ("pass in all", "pass in all flags S/SA keep state"),
        ("pass out quick on en0 all", "pass out quick on en0 all flags S/SA keep state"),
        ("pass in proto udp all", "pass in proto udp all keep state"),
        (
            "pass inet proto icmp all icmp-type echoreq",
            "pass inet proto icmp all icmp-type echoreq keep state",
        ),
        (
            "pass inet6 proto icmp6 all icmp6-type 135",
            "pass inet6 proto ipv6-icmp all icmp6-type neighbrsol keep state",
        ),
        ("pass in all no state", "pass in all no state"),
        ("pass in all flags any", "pass in all flags any keep state"),
        (
            "pass on bridge100 all flags any keep state",
            "pass on bridge100 all flags any keep state",
        ),
        ("pass proto tcp modulate state", "pass proto tcp all flags S/SA modulate state"),
        ("pass proto udp modulate state", "pass proto udp all keep state"),
        ("pass in proto tcp flags S/SAFR", "pass in proto tcp all flags S/FSRA keep state"),
        ("pass in proto tcp flags /SFRA", "pass in proto tcp all flags /FSRA keep state"),
        ("block", "block drop all"),
        ("block drop in", "block drop in all"),
        ("block return in log quick on bridge100 inet all",) * 2,
        ("block return-rst in proto tcp", "block return-rst in proto tcp all"),
        ("block return-icmp in inet", "block return-icmp(port-unr) in inet all"),
        ("block return-icmp6(addr-unr) in inet6", "block return-icmp6(addr-unr) in inet6 all"),
        ("block return-icmp(13, 1) in", "block return-icmp(filter-prohib, admin-unr) in all"),
        ("block in quick log (all, to pflog1)", "block drop in log (all, to pflog1) quick all"),
        ("block on ! lo0", "block drop on ! lo0 all"),
        (
            "block from 192.168.64.5/24 to any",
            "block drop inet from 192.168.64.0/24 to any",
        ),
        ("block from 10/8 to ! 172.16/12", "block drop inet from 10.0.0.0/8 to ! 172.16.0.0/12"),
        ("block from <bad> to any", "block drop from <bad> to any"),
        ("block inet from ! <bad>", "block drop inet from ! <bad> to any"),
        ("block to fe80::/10", "block drop inet6 from any to fe80::/10"),
        (
            "block from 1.1.1.1 - 1.1.1.9",
            "block drop inet from 1.1.1.1 - 1.1.1.9 to any",
        ),
        ("block to 0.0.0.0/0", "block drop inet all"),
        ("block from no-route", "block drop from no-route to any"),
        ("block from urpf-failed", "block drop from urpf-failed to any"),
        ("block to (en0)", "block drop from any to (en0)"),
        ("block inet to (en0:network:0)", "block drop inet from any to (en0:network:0)"),
        ("block to en0:broadcast inet", None),
        ("block inet to en0:0", "block drop inet from any to 10.0.10.2"),
        (
            "pass in proto tcp to port http",
            "pass in proto tcp from any to any port = 80 flags S/SA keep state",
        ),
        (
            "block proto udp from port 68 to port 67",
            "block drop proto udp from any port = 68 to any port = 67",
        ),
        (
            "block proto tcp to port 1000:2000",
            "block drop proto tcp from any to any port 1000:2000",
        ),
        ("block proto tcp to port != 22", "block drop proto tcp from any to any port != 22"),
        ("block proto tcp to port >= 1024", "block drop proto tcp from any to any port >= 1024"),
        ("block proto tcp to port 1 >< 9", "block drop proto tcp from any to any port 1 >< 9"),
        ("block proto tcp to port 1 <> 9", "block drop proto tcp from any to any port 1 <> 9"),
        ("block proto 47", "block drop proto gre all"),
        ("block proto 200", "block drop proto 200 all"),
        ("block out proto tcp user operator", "block drop out proto tcp all user = 501"),
        ("block out proto tcp user nobody", "block drop out proto tcp all user = 4294967294"),
        ("block out proto tcp user != unknown", "block drop out proto tcp all user != unknown"),
        ("block out proto tcp group staff", "block drop out proto tcp all group = 20"),
        ("block probability 20%", "block drop all probability 20%"),
        ("pass tag GREEN", "pass all flags S/SA keep state tag GREEN"),
        ("block ! tagged GREEN", "block drop all ! tagged GREEN"),
        ("pass keep state (max 10, if-bound)", "pass all flags S/SA keep state (max 10, if-bound)"),
        ("pass label web label2", None),
        ('pass label "two words"', 'pass all flags S/SA keep state label "two words"'),
        ("pass in allow-opts", "pass in all flags S/SA keep state allow-opts"),
        ("block in fragment", "block drop in all fragment"),
        ("pass in fragment", "pass in all keep state fragment"),
        (
            "pass out route-to (en0 10.0.10.1) inet",
            "pass out route-to (en0 10.0.10.1) inet all flags S/SA keep state",
        ),
        ("pass rtable 2", "pass all flags S/SA keep state rtable 2"),
        ('anchor "com.apple/*"', 'anchor "com.apple/*" all'),
        ("anchor com.apple in on en0", 'anchor "com.apple" in on en0 all'),
        ('scrub-anchor "com.apple/*"', 'scrub-anchor "com.apple/*" all fragment reassemble'),
        ('nat-anchor "com.apple/*"', 'nat-anchor "com.apple/*" all'),
        ('rdr-anchor "com.apple/*"', 'rdr-anchor "com.apple/*" all'),
        ('dummynet-anchor "com.apple/*"', 'dummynet-anchor "com.apple/*" all'),
        ("scrub in all", "scrub in all fragment reassemble"),
        (
            "scrub on en0 no-df max-mss 1440",
            "scrub on en0 all no-df max-mss 1440 fragment reassemble",
        ),
        (
            "nat on en0 inet from 192.168.64.0/24 to any -> (en0:0)",
            "nat on en0 inet from 192.168.64.0/24 to any -> (en0:0)",
        ),
        ("nat on en0 inet from any to any -> (en0)", "nat on en0 inet all -> (en0) round-robin"),
        (
            "nat on en0 from 10/8 -> 1.2.3.4 port 1024:2048",
            "nat on en0 inet from 10.0.0.0/8 to any -> 1.2.3.4 port 1024:2048",
        ),
        (
            "nat on en0 from 10/8 -> 1.2.3.4 static-port",
            "nat on en0 inet from 10.0.0.0/8 to any -> 1.2.3.4 static-port",
        ),
        (
            "no nat on bridge100 inet from 10/8 to 10/8",
            "no nat on bridge100 inet from 10.0.0.0/8 to 10.0.0.0/8",
        ),
        (
            "rdr pass on lo0 inet proto tcp to port 80 -> 127.0.0.1 port 8080",
            "rdr pass on lo0 inet proto tcp from any to any port = 80 -> 127.0.0.1 port 8080",
        ),
        (
            "no rdr on en0 proto tcp from any to any port 80",
            "no rdr on en0 proto tcp from any to any port = 80",
        ),
        (
            "binat on en0 inet from 10.0.0.1 to any -> 1.2.3.4",
            "binat on en0 inet from 10.0.0.1 to any -> 1.2.3.4",
        ),
    ],
)
def test_a_line_prints_as_pfctl_prints_it(line: str, shown: str | None) -> None:
    if shown is None:
        assert parsed(line + "\n").errors == ["stdin:1: syntax error"]
    else:
        assert printed(line + "\n") == [shown]


@pytest.mark.parametrize("newline", ["", "\n"])
def test_a_printed_rule_reads_back_as_itself(newline: str) -> None:
    line = (
        "pass in quick on bridge100 inet proto tcp from 192.168.64.0/24 to 192.168.64.1 "
        'port = 18443 flags S/SA keep state label "x"'
    )
    if newline:
        assert printed(line + newline) == [line]
    else:
        assert parsed(line).errors == ["stdin:1: syntax error"]


def test_lists_expand_to_one_rule_each_in_order() -> None:
    assert printed(
        "pass in on { en0 en1 } proto { tcp, udp } from { 1.1.1.1, 2.2.2.2 } to any port { 1 2 }\n"
    )[:5] == [
        "pass in on en0 inet proto tcp from 1.1.1.1 to any port = 1 flags S/SA keep state",
        "pass in on en0 inet proto tcp from 1.1.1.1 to any port = 2 flags S/SA keep state",
        "pass in on en0 inet proto tcp from 2.2.2.2 to any port = 1 flags S/SA keep state",
        "pass in on en0 inet proto tcp from 2.2.2.2 to any port = 2 flags S/SA keep state",
        "pass in on en0 inet proto udp from 1.1.1.1 to any port = 1 keep state",
    ]


def test_addresses_of_the_other_family_are_left_out_of_a_list() -> None:
    assert printed("block from two.test to { 10.0.0.1, 2001:db8::9 }\n") == [
        "block drop inet from 192.0.2.1 to 10.0.0.1",
        "block drop inet6 from 2001:db8::1 to 2001:db8::9",
    ]


def test_a_plain_interface_name_stands_for_its_addresses_at_load() -> None:
    assert printed("block to en0\n") == [
        "block drop inet from any to 10.0.10.2",
        "block drop inet from any to 10.0.10.3",
        "block drop inet6 from any to fd00::2",
    ]
    assert printed("block inet to en0:network\n")[0] == "block drop inet from any to 10.0.10.0/24"


def test_labels_expand() -> None:
    rule = "pass in on en0 inet proto tcp from 10.0.0.0/8 to 1.2.3.4"
    assert printed(
        "pass in on en0 inet proto tcp from 10/8 to 1.2.3.4 port { 80 443 } "
        'label "$if:$srcaddr:$dstaddr:$dstport:$proto:$nr"\n'
    ) == [
        f'{rule} port = 80 flags S/SA keep state label "en0:10.0.0.0/8:1.2.3.4:80:tcp:0"',
        f'{rule} port = 443 flags S/SA keep state label "en0:10.0.0.0/8:1.2.3.4:443:tcp:1"',
    ]


def test_macros_hold_rules_words_and_lists() -> None:
    assert printed(
        'br = "bridge100"\nports = "{ 1 2 }"\nhost = 10.0.0.1 # comment\n'
        "block in on $br proto tcp from $host to port $ports\n"
    ) == [
        "block drop in on bridge100 inet proto tcp from 10.0.0.1 to any port = 1",
        "block drop in on bridge100 inet proto tcp from 10.0.0.1 to any port = 2",
    ]


def test_a_macro_given_on_the_command_line_wins_over_the_files() -> None:
    result = parse('br = "en0"\nblock on $br\n', "stdin", Mac(), macros={"br": "en5"})
    assert [rule_text(rule) for rule in result.rulesets[""]] == ["block drop on en5 all"]


def test_lines_may_be_continued_anywhere_and_lists_broken_after_an_item() -> None:
    assert printed("block \\\n in \\\n  quick\n") == ["block drop in quick all"]
    assert len(printed("block from {\n 1.1.1.1\n 2.2.2.2\n}\n")) == 2
    assert len(printed("block from { 1.1.1.1\n, 2.2.2.2 }\n")) == 2


def test_inline_anchors_nest_and_may_be_nameless() -> None:
    text = 'anchor "a" in on en0 {\n pass quick\n\n anchor {\n  block\n }\n}\nblock\n'
    assert printed(text) == ['anchor "a" in on en0 all', "block drop all"]
    assert printed(text, "a") == ["pass quick all flags S/SA keep state", "anchor all"]
    assert printed(text, "a/_2") == ["block drop all"]


def test_tables_mask_host_bits_and_keep_negations() -> None:
    (table,) = parsed('table <t> persist const { 10.1.2.3/8, ! 1.2.3.4 } file "/t"\n').tables
    assert (table.const, table.persist) == (True, True)
    shown = [("!" if one.negated else "") + f"{one.first}/{one.bits}" for one in table.entries]
    assert shown == [
        "10.0.0.0/8", "!1.2.3.4/32", "1.2.3.4/32", "10.0.0.0/8", "!10.1.2.3/32",
    ]  # fmt: skip


def test_verbose_echo_shows_macros_tables_and_options_as_read() -> None:
    result = parsed(
        'a = "b c"\ntable <t> persist { 10/8 }\nset skip on { lo0 en5 }\nset limit states 5\n'
    )
    assert result.echo == [
        'a = "b c"',
        "table <t> persist { 10.0.0.0/8 }",
        "set skip on { lo0 en5 }",
        "set limit states 5",
    ]


def test_an_option_in_an_anchor_is_read_and_has_no_effect() -> None:
    result = parse("set block-policy return\nblock in\n", "stdin", Mac(), anchor="com.apple/x")
    assert [rule_text(rule) for rule in result.rulesets[""]] == ["block drop in all"]
    assert printed("set block-policy return\nblock in\n") == ["block return in all"]


def test_include_reads_another_file_in_place() -> None:
    assert printed('include "/i"\npass in\n') == [
        "block drop in all",
        "pass in all flags S/SA keep state",
    ]


def test_antispoof_blocks_the_network_elsewhere_and_the_own_addresses() -> None:
    assert printed("antispoof quick for lo0 inet\n") == [
        "block drop in quick on ! lo0 inet from 127.0.0.0/8 to any"
    ]
