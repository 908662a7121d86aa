"""Builds the keep: the phases, in order.

    pyinfra inventory.py deploy.py                       everything
    pyinfra inventory.py deploy.py --data phase=network  one phase (or several: base,network)

Every role is called on a line of its own: pyinfra tells operations apart by the line numbers that
lead to them. `reachable` is called for all machines on one line: it is the barrier between what is
done to the host and what is done to the guest.
"""

from pyinfra import host

from clawkeep import declared
from connectors import journal, lock, turn
from roles import agent, base, cache, network, operations, skills
from roles.phase import chosen
from roles.reachable import reachable

keep = declared.keep()
phases = chosen(host.data.get("phase"))
on_host = "hosts" in host.groups
tart_host = host.data.get("tart_host", host.name)

lock.held(tart_host)
turn.taken(host, tart_host)
journal.keep(host.state, keep.digest, tart_host)

if on_host:
    cache.required(keep)
if on_host and "base" in phases:
    base.prepare_host(keep)
if on_host:
    network.close(keep)
if on_host and "base" in phases:
    base.start_guest(keep)

reachable(name="All | the guest is reachable")

if not on_host and "base" in phases:
    base.provision_guest(keep, tart_host)

reachable(name="All | the guest is provisioned")

if on_host and "base" in phases:
    base.take_base_snapshot(keep)

reachable(name="All | the guest is back")

if on_host and "network" in phases:
    network.open_doors(keep)
if on_host and "operations" in phases:
    operations.look_after(keep)

if on_host and "skills" in phases:
    skills.prepare_host(keep)

reachable(name="All | the doors are open")

if not on_host and "network" in phases:
    network.name_services(keep)

if not on_host and "agent" in phases:
    agent.prepare(keep)

if not on_host and "skills" in phases:
    skills.prepare(keep)
