"""Which interfaces a name stands for: of a rule, and of `set skip`.

xnu's pf knows no groups: a rule's name is one interface. pf of other systems, and what Apple ships
tomorrow, may take `bridge` for all bridges, and no group's name ends in a digit. So such a name may
hold any interface, as far as a text tells; nothing is proved by a rule that has one.
`set skip` is another matter: there `bridge` does stand for every bridgeN.
Source: reference/macos.md §1.1; xnu bsd/net/pf_if.c (pfi_kif_match, pfi_skip_if).
"""

from __future__ import annotations


def holds(name: str, interface: str, *, negated: bool = False) -> bool | None:
    """Tell whether `on name` ("" is any) holds `interface`; None if it may be a group that does."""
    if name and name != interface and not name[-1].isdigit():
        return None
    return (name in {"", interface}) != negated


def skipped(name: str, interface: str) -> bool:
    """Tell whether `set skip on name` makes pf look away from `interface`."""
    if name == interface:
        return True
    rest = interface.removeprefix(name)
    return rest != interface and not name[-1].isdigit() and rest[:1].isdigit()
