"""allowlist.yml: every mistake is found, all at once, at its line and column."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

import pytest

from clawkeep.config import ConfigError, Mark, load_services, parse_services
from clawkeep.model import Service, Target
from tests.recording import Faults

GOOD = """\
services:
  - name: vault
    port: 18443
    target: vault.example.net:443
    kind: tls
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_services(text)
    return str(caught.value).splitlines()


def entry(line: str) -> str:
    """An allowlist with one sound service and `line` in line 6."""
    return f"{GOOD}    {line}\n"


def test_a_sound_allowlist_is_read() -> None:
    assert parse_services(GOOD) == (
        Service(name="vault", port=18443, target=Target("vault.example.net", 443), kind="tls"),
    )


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("\n", "\r\n"),
        "---\n" + GOOD,
        GOOD + "...\n",
        "# yaml-language-server: $schema=x.json\n" + GOOD,
        "$schema: docs/reference/allowlist.schema.json\n" + GOOD,
        "services: [{name: vault, port: 18443, target: 'vault.example.net:443', kind: tls}]",
        (
            '{"services": [{"name": "vault", "port": 18443,'
            ' "target": "vault.example.net:443", "kind": "tls"}]}'
        ),
    ],
)
def test_the_same_in_other_words_is_the_same(text: str) -> None:
    assert parse_services(text) == parse_services(GOOD)


def test_an_empty_list_opens_no_door() -> None:
    assert parse_services("services: []") == ()


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file() -> None:
    text = """\
services:
  - name: Vault
    prot: 18443
    target: vault.example.net
    kind: tsl
  - name: nas
    port: 22
    target: 192.168.64.1:22
    kind: ssh
    bind: 192.168.64.2
extra: 1
"""
    found = problems(text)
    assert [line.split(" ", 1)[0] for line in found] == [
        "allowlist.yml:2:11:",
        "allowlist.yml:3:5:",
        "allowlist.yml:4:13:",
        "allowlist.yml:5:11:",
        "allowlist.yml:7:11:",
        "allowlist.yml:8:13:",
        "allowlist.yml:10:5:",
        "allowlist.yml:11:1:",
    ]
    assert found[1] == "allowlist.yml:3:5: unknown key 'prot'; did you mean 'port'?"
    assert "every bridge listens on the gateway" in found[6]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("note: no", '6:11: YAML reads no as false; write "no" in quotes if you mean the word'),
        ("note: On", '6:11: YAML reads On as true; write "On" in quotes if you mean the word'),
        ("note: true", "6:11: note: text is expected here, not True"),
        ("note: 5", "6:11: note: text is expected here, not 5; put it in quotes"),
        ("note: 2024-01-01", "6:11: YAML reads 2024-01-01 as a date"),
        ("note: 1.5", "6:11: YAML reads 1.5 as a number with a fraction"),
        ("note: .inf", "6:11: YAML reads .inf as a number with a fraction"),
        ("note: =", "6:11: YAML reads = as something special"),
        ("note:", "6:5: note: has no value; write one, or remove the line"),
        ("note: ~", "6:5: note: has no value"),
        ("note: &a x", "6:11: anchors (&a) are not supported"),
        ("note: !!python/name:os.system x", "6:11: tags (tag:yaml.org,2002:python/name:os.system)"),
        ("note: [x]", "6:11: note: text is expected here, not a list"),
        ("max_connections: 022", "6:22: YAML reads 022 as the number 18; write it as a plain"),
        ("max_connections: 0x10", "6:22: YAML reads 0x10 as the number 16"),
        ("max_connections: 0b10", "6:22: YAML reads 0b10 as the number 2"),
        ("max_connections: 1_0", "6:22: YAML reads 1_0 as the number 10"),
        ("max_connections: 1:30", "6:22: YAML reads 1:30 as a number in base 60"),
        (
            "max_connections: 9999",
            "6:22: max_connections: 9999 does not fit; it must be at most 10",
        ),
        (
            'max_connections: "8"',
            "6:22: max_connections: a whole number is expected here, not '8'; ",
        ),
        (f"max_connections: {'9' * 30}", "6:22: a number with 30 digits has no meaning here"),
        ("port: 18444", "6:5: key 'port' stands here twice (first in line 3); remove one"),
        ("Idle-Timeout: 5", "6:5: unknown key 'Idle-Timeout'; did you mean 'idle_timeout_s'?"),
        ("zzz: 5", "6:5: unknown key 'zzz'; known are name, port, target, kind, server_name, ca,"),
        ("<<: {note: x}", "6:5: merge keys (<<) are not supported"),
        ("5: x", "6:5: a key must be a word"),
        ("? [a, b]\n    : x", "6:7: a key must be a word"),
        ("no: x", '6:5: YAML reads no as false; write "no" in quotes'),
        ("server_name: 1.2", "6:18: YAML reads 1.2 as a number with a fraction"),
        ("server_name: a_b", "6:18: server_name: 'a_b' is no host name"),
    ],
)
def test_each_mistake_is_named_at_its_place(line: str, expected: str) -> None:
    (found,) = problems(entry(line))
    assert found.startswith(f"allowlist.yml:{expected}")


@pytest.mark.parametrize("target", ["22:22", "10:22", "1:1"])
def test_a_target_in_base_60_is_refused(target: str) -> None:
    (found,) = problems(GOOD.replace("vault.example.net:443", target))
    assert found.startswith(f"allowlist.yml:4:13: YAML reads {target} as a number in base 60")


@pytest.mark.parametrize("key", ["name", "port", "target", "kind"])
def test_a_missing_key_is_reported_at_its_entry(key: str) -> None:
    lines = [line for line in GOOD.splitlines() if f"{key}:" not in line]
    if key == "name":
        lines[1] = lines[1].replace("    port", "  - port")
    assert problems("\n".join(lines)) == [f"allowlist.yml:2:5: key `{key}` is missing; add it"]


def test_duplicates_name_the_line_of_the_first(faults: Faults) -> None:
    second = GOOD.replace("services:\n", "")
    assert problems(GOOD + second) == [
        "allowlist.yml:6:11: name: the name 'vault' is already taken (line 2); take another",
        "allowlist.yml:7:11: port: 18443 is already the port of 'vault' (line 3); take another",
    ]
    says = "line and column, and the line of the first"
    faults.show("declaration", "a service, or its port, is there twice", says)


def test_duplicates_are_found_in_entries_with_other_mistakes() -> None:
    found = problems(f"{GOOD}  - name: other\n    port: 18443\n    kind: udp\n    target: x\n")
    assert any("18443 is already the port of 'vault'" in line for line in found)
    assert len(found) == 3


def test_an_alias_is_not_followed() -> None:
    text = GOOD.replace("services:", "services: &s").replace("tls", "*s")
    found = problems(text)
    assert found == [
        "allowlist.yml:1:11: anchors (&s) are not supported; remove it",
        "allowlist.yml:5:11: aliases (*s) are not supported; write the value out",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "allowlist.yml: is empty; write `services: []`"),
        ("# nothing\n\n", "allowlist.yml: is empty"),
        ("---\n", "allowlist.yml: is empty"),
        ("null", "allowlist.yml: is empty"),
        ("- a", "allowlist.yml:1:1: a mapping with the key `services` is expected here"),
        ("hello", "allowlist.yml:1:1: a mapping with the key `services`"),
        ("{}", "allowlist.yml:1:1: key `services` is missing"),
        ("servcies: []", "allowlist.yml:1:1: unknown key 'servcies'; did you mean 'services'?"),
        ("services:", "allowlist.yml:1:10: services: a list is expected here"),
        ("services: {a: 1}", "allowlist.yml:1:11: services: a list is expected here"),
        ("services: [5]", "allowlist.yml:1:12: a mapping of keys and values is expected here"),
        ("services: []\nservices: []", "allowlist.yml:2:1: key 'services' stands here twice"),
        ("$schema: [1]\nservices: []", "allowlist.yml:1:10: $schema: text is expected here"),
        ("services: []\n---\nservices: []", "allowlist.yml:2:1: a second document begins here"),
        ("services: [", "allowlist.yml:1:12: no valid YAML"),
        ('services: "', "allowlist.yml:1:12: a quote or bracket that is never closed"),
        ("services: []\n a: 1", "allowlist.yml:2:2: "),
        ("[" * 5000, "allowlist.yml:1:22: nested deeper than 20 levels"),
        ("- " * 5000, "allowlist.yml:1:43: nested deeper than 20 levels"),
        ('services: "\\UFFFFFFFF"', "allowlist.yml:1:1: no valid YAML"),
        ("%YAML 3.0\n---\nservices: []", "allowlist.yml:1:1: "),
    ],
)
def test_what_is_no_allowlist_at_all_is_one_problem(text: str, expected: str) -> None:
    (found,) = problems(text)
    assert found.startswith(expected)


def test_every_tab_is_shown(faults: Faults) -> None:
    assert problems("services:\n\t- name: a\n\t  port: 1\n") == [
        "allowlist.yml:2:1: a tab; YAML is indented with spaces: replace it by two of them",
        "allowlist.yml:3:1: a tab; YAML is indented with spaces: replace it by two of them",
    ]
    faults.show("declaration", "it is indented with tabs", "each with line and column")


def test_the_guest_network_is_the_declared_one() -> None:
    text = GOOD.replace("vault.example.net", "192.168.77.9")
    assert len(parse_services(text)) == 1
    with pytest.raises(ConfigError, match=r"in the guest's own network 192\.168\.77\.0/24"):
        parse_services(text, guests=IPv4Network("192.168.77.0/24"))


def test_too_many_services_are_refused() -> None:
    lines = [f"- {{name: s{n}, port: {20000 + n}, target: 'a:1', kind: tcp}}" for n in range(501)]
    text = "services:\n" + "\n".join(lines)
    assert problems(text) == ["allowlist.yml:502:3: services: has more than 500 entries"]


def test_an_error_with_very_many_problems_stays_readable() -> None:
    lines = problems("services:\n" + "- {}\n" * 100)
    assert len(lines) == 51
    assert lines[-1] == "... and 350 more"


def test_a_certificate_is_looked_for_beside_the_allowlist(tmp_path: Path) -> None:
    allowlist = tmp_path / "allowlist.yml"
    allowlist.write_text(entry("ca: ca.pem"))
    with pytest.raises(ConfigError, match=r":6:9: ca: ca.pem does not exist"):
        load_services(allowlist)
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(ConfigError, match="holds no certificate in PEM form"):
        load_services(allowlist)
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(ConfigError, match="holds a private key"):
        load_services(allowlist)
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    assert load_services(allowlist)[0].ca == "ca.pem"


def test_problems_are_data_too() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_services(entry("note: 5"), "x.yml")
    (problem,) = caught.value.problems
    assert (problem.path, problem.mark) == ("x.yml", Mark(6, 11))
