"""`host.interface` on macOS: `ifconfig`."""

from __future__ import annotations

import functools
import re
from typing import Any

from testinfra.modules.interface import Interface


class DarwinInterface(Interface):
    """Network interfaces.

    >>> host.interface("bridge100").addresses
    ['192.168.64.1', 'fe80::…']
    """

    @functools.cached_property
    def _text(self) -> str | None:
        family = f" {self.family}" if self.family in {"inet", "inet6"} else ""
        done = self.run_expect([0, 1], f"ifconfig %s{family}", self.name)
        return done.stdout if done.rc == 0 else None

    @property
    def exists(self) -> bool:
        """Tell whether there is one; vmnet's bridge100 only is while a guest runs."""
        return self._text is not None

    @property
    def addresses(self) -> list[str]:
        """Return its addresses, without the scope that macOS adds (`%en0`)."""
        kinds = ("inet ", "inet6 ")
        lines = (line.strip() for line in (self._text or "").splitlines())
        return [line.split()[1].partition("%")[0] for line in lines if line.startswith(kinds)]

    @property
    def members(self) -> list[str]:
        """Return the members of a bridge, such as vmenet0 of a guest."""
        return re.findall(r"^\s+member: (\S+)", self._text or "", re.MULTILINE)

    @property
    def link(self) -> dict[str, Any]:
        """Return name, flags, MTU and hardware address, by upstream's names."""
        head = re.match(r"(\S+): flags=\S*<(\S*)>.* mtu (\d+)", self._text or "")
        if head is None:
            raise RuntimeError(f"ifconfig knows no {self.name}")
        ether = re.search(r"^\s+ether (\S+)", self._text or "", re.MULTILINE)
        return {
            "ifname": head[1],
            "flags": head[2].split(","),
            "mtu": int(head[3]),
            "address": ether[1] if ether else None,
        }

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of all interfaces."""
        return list(cls.check_output("ifconfig -l").split())
