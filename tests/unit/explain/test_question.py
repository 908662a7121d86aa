"""What may be asked, and what a typing mistake is answered with."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.explain.question import Question, QuestionError, question
from clawkeep.policy import Door

DOORS = (
    Door("vaultwarden", 18443, "vault.example.net", 443, "tls", "vault.example.net"),
    Door("debug", 19000, "10.0.30.7", 9000, until=10.0),
)


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        ("guest", "1.1.1.1:443/tcp", Question("guest", "address", "1.1.1.1", "tcp", 443)),
        ("guest", "1.1.1.1:443", Question("guest", "address", "1.1.1.1", "tcp", 443)),
        ("guest", "vaultwarden", Question("guest", "door", "vaultwarden", "tcp", 18443)),
        ("guest", "debug", Question("guest", "door", "debug", "tcp", 19000)),
        ("guest", "vaultwarden:18443/tcp", Question("guest", "door", "vaultwarden", "tcp", 18443)),
        ("guest", "gateway:53/udp", Question("guest", "gateway", "gateway", "udp", 53)),
        ("guest", "host:445/tcp", Question("guest", "host", "host", "tcp", 445)),
        ("guest", "internet:443", Question("guest", "internet", "internet", "tcp", 443)),
        ("guest", "10.0.30.99/icmp", Question("guest", "address", "10.0.30.99", "icmp", None)),
        ("guest", "[2606:4700::1]:443", Question("guest", "address", "2606:4700::1", "tcp", 443)),
        ("guest", "2606:4700:0::1/icmp6", Question("guest", "address", "2606:4700::1", "icmp6")),
        ("guest", "API.Example.com:443", Question("guest", "name", "api.example.com", "tcp", 443)),
        ("host", "guest:22/tcp", Question("host", "guest", "guest", "tcp", 22)),
        ("10.0.30.5", "guest:22", Question("10.0.30.5", "guest", "guest", "tcp", 22)),
    ],
)
def test_every_form_is_read(source: str, destination: str, expected: Question) -> None:
    assert question(source, destination, DOORS) == expected


@pytest.mark.parametrize(
    ("source", "destination", "words"),
    [
        ("guest", "vaultwardn", "did you mean 'vaultwarden'?"),
        ("guest", "gatway:22", "did you mean 'gateway'?"),
        ("gest", "gateway:22", "did you mean 'guest'?"),
        ("guest", "gateway:22/tpc", "unknown protocol 'tpc'"),
        ("guest", "gateway:22/", "unknown protocol ''"),
        ("guest", "gateway", "has no port"),
        ("guest", "gateway:0/tcp", "'0' is no port"),
        ("guest", "gateway:65536", "'65536' is no port"),
        ("guest", "gateway:2\uff12/tcp", "is no port"),
        ("guest", "gateway:", "'' is no port"),
        ("guest", ":22/tcp", "names no destination"),
        ("guest", "", "names no destination"),
        ("guest", "1.1.1.1:443/icmp", "has no ports"),
        ("guest", "1.1.1.1/icmp6", "write /icmp"),
        ("guest", "[::1]/icmp", "write /icmp6"),
        ("guest", "[::x]:443", "write a service"),
        ("guest", "1.1.1.256:443", "neither a host name nor an IPv4 address"),
        ("guest", "a..b:443", "no host name"),
        ("guest", "vaultwarden:443", "the door vaultwarden is gateway:18443/tcp"),
        ("guest", "vaultwarden/udp", "the door vaultwarden is gateway:18443/tcp"),
        ("guest", "guest:22", "reaches itself"),
        ("host", "1.1.1.1:443", "only the way to the guest is guarded"),
        ("host", "vaultwarden", "only the way to the guest is guarded"),
    ],
)
def test_a_mistake_is_answered_with_what_is_expected(
    source: str, destination: str, words: str
) -> None:
    with pytest.raises(QuestionError, match=r".") as caught:
        question(source, destination, DOORS)
    assert words in str(caught.value)


@given(st.text(max_size=30), st.text(alphabet="guesthost.:/[]1tcpudp v", max_size=30))
def test_no_text_does_anything_but_be_read_or_refused(source: str, destination: str) -> None:
    for asked in ((source, "guest:22"), ("guest", destination), (source, destination)):
        with contextlib.suppress(QuestionError):
            found = question(*asked, DOORS)
            assert found.port is None or 0 < found.port < 65536
            assert found.protocol in {"tcp", "udp", "icmp", "icmp6"}
