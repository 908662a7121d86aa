import struct

from hypothesis import given
from hypothesis import strategies as st

from lab.services.dns import answer, turning

NAMES = {"github.com": "140.82.112.4"}
GITHUB = b"\x06github\x03com\x00"


def query(name: bytes, kind: int = 1, number: int = 0x1234) -> bytes:
    return struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + name + struct.pack("!HH", kind, 1)


def test_a_known_name_is_answered_with_its_address() -> None:
    assert answer(query(GITHUB), NAMES) == bytes.fromhex(
        "1234 8180 0001 0001 0000 0000"
        "06 676974687562 03 636f6d 00 0001 0001"
        "c00c 0001 0001 0000003c 0004 8c527004"
    )


def test_names_have_no_case() -> None:
    reply = answer(query(b"\x06GitHub\x03COM\x00"), NAMES)

    assert reply is not None
    assert reply.endswith(bytes([140, 82, 112, 4]))


def test_an_unknown_name_does_not_exist() -> None:
    reply = answer(query(b"\x06debian\x03org\x00"), NAMES)

    assert reply is not None
    assert struct.unpack("!HHHH", reply[:8]) == (0x1234, 0x8183, 1, 0)


def test_a_known_name_has_no_ipv6_address() -> None:
    reply = answer(query(GITHUB, kind=28), NAMES)

    assert reply is not None
    assert struct.unpack("!HHHH", reply[:8]) == (0x1234, 0x8180, 1, 0)


def test_a_name_with_several_addresses_gives_the_next_one_and_nobody_may_keep_it() -> None:
    names = {"github.com": turning(("203.0.113.1", "10.0.30.99"))}
    seen = []
    for _ in range(3):
        # A question for an IPv6 address, as resolvers ask beside, does not turn it.
        assert answer(query(GITHUB, kind=28), names) == answer(query(GITHUB, kind=28), NAMES)
        reply = answer(query(GITHUB), names)
        assert reply is not None
        seen.append((reply[-4:], reply[-10:-6]))

    public, private, lifetime = bytes([203, 0, 113, 1]), bytes([10, 0, 30, 99]), bytes(4)
    assert seen == [(public, lifetime), (private, lifetime), (public, lifetime)]


def test_a_response_is_not_answered() -> None:
    assert (
        answer(struct.pack("!HHHHHH", 1, 0x8180, 1, 0, 0, 0) + GITHUB + b"\0\1\0\1", NAMES) is None
    )


@given(st.binary(max_size=80))
def test_any_datagram_gets_an_answer_or_none(data: bytes) -> None:
    reply = answer(data, NAMES)

    assert reply is None or reply[:2] == data[:2]
