"""Phase 0: the guest exists, has its size, its users and its tools, and starts by itself."""

from __future__ import annotations

from pathlib import PurePosixPath

from clawkeep import keys, state
from clawkeep.model import Keep
from clawkeep.model.offline import CACHE
from clawkeep.render.plist import vm_agent
from clawkeep.render.tart_run import tart_run
from clawkeep.skills.packages import python_of
from clawkeep.tart import TART
from roles import cache, homebrew, launchd, pip_tools
from roles.base import account, hostkey, runtime, snapshot, vm
from roles.base.guestfiles import guest_files
from roles.bundle import Directory, bundle
from roles.identity import identity
from roles.probe import section

#: Root's copy of softnet comes first: Homebrew's is replaced at each upgrade and loses its SUID.
VM_PATH = f"{runtime.LIBEXEC}:/usr/bin:/bin:/usr/sbin:/sbin:/opt/homebrew/bin"


def prepare_host(keep: Keep) -> None:
    """Install what the host needs; nothing starts yet."""
    section("base")
    # Asked before anything is wanted: so early an answer to the rest would be thrown away.
    user = identity()
    tap, stock = keep.host.tap, cache.declared(keep)
    homebrew.formulas(
        name="Host | Tart, Softnet and the tools of the bridges",
        names=[
            *(f"{tap}/tart", f"{tap}/softnet", "uv", *keep.host_packages),
            # Node and Python as the guest has them, which resolve what it needs.
            *(stock.tools if stock else ()),
        ],
        at_least={"tart": keep.host.tart_version, "softnet": keep.host.softnet_version},
    )
    runtime.python(name="Host | Python at /opt/clawkeep, root's own")
    runtime.softnet(name="Host | Softnet as root's own copy")
    bundle(
        name="Host | folders shared with the guest",
        entries=[
            Directory(f"{user.home}/Library/Logs", "700", user.user, "staff"),
            Directory(f"{user.home}/Library/Logs/clawkeep", "700", user.user, "staff"),
            # `tart run` fails where a shared folder is missing.
            *([Directory(CACHE)] if stock else []),
            *(
                Directory(path, "755", user.user, "staff")
                for path in folders([mount.at(user.home) for mount in keep.guest.mounts], user.home)
            ),
        ],
    )


def start_guest(keep: Keep) -> None:
    """Clone, size and start the guest; never over something that exists."""
    section("base")
    user = identity()
    cache.complete(name="Host | the cache holds what is declared", keep=keep)
    vm.cloned(name=f"Host | guest {keep.guest.name}", guest=keep.guest)
    domain = launchd.gui(user.uid, user.user, user.home)
    vm.sized(name=f"Host | size of {keep.guest.name}", guest=keep.guest, domain=domain)
    vm.agent(
        name=f"Host | {keep.guest.name} starts by itself",
        guest=keep.guest.name,
        domain=domain,
        plist=vm_agent(
            keep.guest.name,
            home=user.home,
            arguments=["--", *tart_run(keep.sharing_guest, keep.egress, home=user.home, tart=TART)],
            path=VM_PATH,
        ),
    )


def provision_guest(keep: Keep, host_name: str) -> None:
    """Make the fresh clone the agent's machine: its user, its SSH, its tools."""
    section("base")
    guest = keep.guest
    pair = keys.ensure(state.folder(host_name, guest.name), f"clawkeep@{guest.name}")
    account.user(name=f"Guest | user {guest.user}", user=guest.user)
    bundle(name="Guest | SSH, shells and sudo", entries=guest_files(guest, pair.public_line))
    account.default_password(name="Guest | the image's public password is replaced")
    account.automatic_login(name=f"Guest | {guest.user} logs in automatically", user=guest.user)
    homebrew.formulas(
        name="Guest | packages",
        names=[*guest.packages, *guest.tapped],
        stock=cache.declared(keep),
    )
    pip_tools.installed(
        name="Guest | pip tools",
        tools=guest.pip_tools,
        python=python_of(guest.packages),
        stock=cache.declared(keep),
    )
    account.settings(name="Guest | no automatic updates")
    hostkey.own(name="Guest | SSH host keys of its own")


def take_base_snapshot(keep: Keep) -> None:
    """Keep a stopped, consistent copy of the guest as it is first complete."""
    section("base")
    user = identity()
    snapshot.taken(
        name=f"Host | snapshot {keep.guest.base_snapshot}",
        guest=keep.guest.name,
        copy=keep.guest.base_snapshot,
        domain=launchd.gui(user.uid, user.user, user.home),
        digest=keep.digest,
        image=keep.guest.image,
    )


def folders(paths: list[str], home: str) -> list[str]:
    """Return `paths` with their parents below `home`, outermost first."""
    wanted = {
        str(folder)
        for path in paths
        for folder in (PurePosixPath(path), *PurePosixPath(path).parents)
        if str(folder) in paths or PurePosixPath(home) in folder.parents
    }
    return sorted(wanted)
