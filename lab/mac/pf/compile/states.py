"""States as bits of the conntrack mark.

A pf state made by a packet going in lets later packets of that direction in and answers out, on
any interface, without looking at rules; one made going out, the other way round. So a connection
has two bits: bit 0 covers (in, original) and (out, reply); bit 1 covers (out, original) and
(in, reply). Beside each is the serial of the rule that made it.
Source: pf.conf(5); reference/macos.md §1.1.
"""

from __future__ import annotations

IN_ORIGINAL, OUT_ORIGINAL = 0x1, 0x2
_SHIFT = {IN_ORIGINAL: 2, OUT_ORIGINAL: 17}
_SERIAL = 0x7FFF


def bit_for(out: bool, direction: str) -> int:
    """Bit of a state made by a packet of this hook and conntrack direction."""
    return OUT_ORIGINAL if out == (direction == "original") else IN_ORIGINAL


def serial_mask(bit: int) -> int:
    """Bits of the mark that hold the serial beside `bit`."""
    return _SERIAL << _SHIFT[bit]


def serial_value(bit: int, serial: int) -> int:
    """Shift a serial to its place."""
    return serial << _SHIFT[bit]


def serials(mark: int) -> list[tuple[int, int]]:
    """(bit, serial of the rule) of each pf state that a conntrack mark stands for."""
    return [(bit, (mark >> shift) & _SERIAL) for bit, shift in _SHIFT.items() if mark & bit]


def create(out: bool, serial: int) -> list[str]:
    """Statements that make a state of the packet at hand."""
    lines = []
    for direction in ("original", "reply"):
        bit = bit_for(out, direction)
        keep = 0xFFFFFFFF & ~(serial_mask(bit) | bit)
        value = serial_value(bit, serial) | bit
        lines.append(f"ct direction {direction} ct mark set ct mark & {keep:#010x} | {value:#x}")
    return lines


def translated(out: bool) -> list[str]:
    """Make the state that translation always makes, whatever the filter rule says."""
    status = "snat" if out else "dnat"
    bit = bit_for(out, "original")
    without = f"ct direction original ct mark & {bit:#x} == 0"
    return [f"ct status {status} {without} ct mark set ct mark | {bit:#x}"]
