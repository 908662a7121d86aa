"""What follows `->`: addresses, ports, and how one of several is picked. Source: pf.conf(5)."""

from __future__ import annotations

from dataclasses import replace

from ..rules import NAT_PORT_HIGH, NAT_PORT_LOW, Address, Pool
from . import addresses
from .context import Context
from .lists import one_or_list
from .ports import port_number


def redirection(context: Context) -> Pool | None:
    """Read `-> host [port …]`, if it is there; ports are (first, last) as written."""
    if not context.accept("ARROW"):
        return None
    hosts = [one for found in one_or_list(context, addresses.host) for one in found]
    pool = Pool(addresses=[replace(one) for one in hosts])
    if context.accept("port"):
        word = context.expect("STRING", "NUMBER").text
        first, colon, last = word.partition(":")
        low = port_number(context, first)
        if last == "*":
            pool.ports = (low, -1)
        else:
            pool.ports = (low, port_number(context, last) if colon else 0)
    return pool


def pool_options(context: Context, pool: Pool) -> None:
    """Read `round-robin`, `random`, `bitmask`, `source-hash`, `sticky-address`, `static-port`."""
    while True:
        kind = context.peek().kind
        if kind in {"bitmask", "random", "round-robin", "source-hash"}:
            context.next()
            if pool.kind:
                context.fail("pool type cannot be redefined")
            pool.kind = kind
            if kind == "source-hash" and context.peek().kind in {"STRING", "NUMBER"}:
                pool.kind += f" {context.next().text}"
        elif kind == "sticky-address":
            context.next()
            if pool.sticky:
                context.fail("sticky-address cannot be redefined")
            pool.sticky = True
        elif kind == "static-port":
            context.next()
            if pool.static_port:
                context.fail("static-port cannot be redefined")
            pool.static_port = True
        else:
            break
    several = len(pool.addresses) > 1 or any(_may_be_several(one) for one in pool.addresses)
    if several and not pool.kind:
        pool.kind = "round-robin"


def _may_be_several(address: Address) -> bool:
    return address.kind == "table" or (address.kind == "dynif" and "0" not in address.modifiers)


def nat_ports(context: Context, pool: Pool) -> None:
    """Fill in the ports that `nat` takes when none, or only one, is given."""
    low, high = pool.ports
    if not low and not high:
        pool.ports = (NAT_PORT_LOW, NAT_PORT_HIGH)
    elif not high or high < 0:
        pool.ports = (low, low)
    if pool.static_port:
        if pool.ports != (NAT_PORT_LOW, NAT_PORT_HIGH):
            context.fail("the 'static-port' option can't be used when specifying a port range")
        pool.ports = (0, 0)
