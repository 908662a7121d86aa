"""What the host must have: files, jobs, users, packages, VMs."""

from __future__ import annotations

import plistlib
from collections.abc import Iterator

from clawkeep import declared
from clawkeep.audit.check import Check, Machine
from clawkeep.audit.scene import Scene
from clawkeep.declaration import certificates, policy_of
from clawkeep.model import Keep
from clawkeep.model.offline import CACHE
from clawkeep.onhost import paths
from clawkeep.onhost.proxy import PROXY
from clawkeep.onhost.resolver import RESOLVER
from clawkeep.policy import Policy, PolicyError, parse_policy
from clawkeep.render import backup as backup_render
from clawkeep.render import health as health_render
from clawkeep.render import snapshots as snapshots_render
from clawkeep.render.plist import bridge_daemon, host_service_daemon, vm_agent
from clawkeep.render.tart_run import tart_run
from clawkeep.skills.wanted import wanted
from clawkeep.tart import TART
from roles import base
from roles.audit import entries
from roles.base import runtime
from roles.bundle import Directory, File
from roles.network import bridges, canary, guard, traffic
from roles.network.hostkeys import PINS
from roles.operations import alerts, backup, logs, snapshots
from roles.skills.onhost import PREFIX

HOST = Machine.HOST
DAEMONS = "/Library/LaunchDaemons"


def policy(keep: Keep, scene: Scene) -> Policy:
    """Return the policy that is declared for this host. Raises OSError for a CA that is missing.

    What npm and pip on the host name as their registry only these know: it is taken from there.
    """
    try:
        named = parse_policy(scene.policy).egress.domains if keep.egress.asked else ()
    except PolicyError:
        named = ()
    return policy_of(
        keep,
        owner=scene.owner,
        owner_uid=scene.uid,
        owner_home=scene.home,
        cas=certificates(keep, declared.allowlist().parent),
        registries=named,
    )


def daemons(keep: Keep) -> list[bytes]:
    """Return the property lists of all daemons that are always there."""
    user = keep.host.bridge_user
    found = [bridge_daemon(service.name, user) for service in keep.services]
    found += [guard.DAEMON, canary.DAEMON, traffic.DAEMON, logs.DAEMON]
    found += [health_render.DAEMON, snapshots_render.DAEMON]
    if keep.alerts:
        found.append(alerts.DAEMON)
    if keep.backup:
        found.append(backup_render.DAEMON)
    if keep.egress.mode == "domains":
        found.append(PROXY.daemon(user))
    if keep.decisions.dns == "resolver":
        found.append(RESOLVER.daemon(user))
    for service in (skill.wants.host for skill in wanted(keep)):
        if service:
            found.append(
                host_service_daemon(
                    PREFIX + service.verb,
                    [service.verb, service.model.path_on_host],
                    user=service.user,
                    log=f"/var/log/{PREFIX}{service.verb}.log",
                )
            )
    return found


def vm_plist(keep: Keep, scene: Scene) -> bytes:
    """Return the property list of the guest's job."""
    run = tart_run(keep.sharing_guest, keep.egress, home=scene.home, tart=TART)
    return vm_agent(keep.guest.name, home=scene.home, arguments=["--", *run], path=base.VM_PATH)


def checks(keep: Keep, scene: Scene) -> Iterator[Check]:
    """Yield the checks of the host that do not concern its network."""
    yield from _files(keep, scene)
    yield from _jobs(keep, scene)
    yield from _programs(keep)
    yield from _accounts(keep, scene)
    yield from _machines(keep, scene)


def _files(keep: Keep, scene: Scene) -> Iterator[Check]:
    plists = [(plistlib.loads(one)["Label"], one) for one in daemons(keep)]
    agent = vm_plist(keep, scene)
    label = plistlib.loads(agent)["Label"]
    agents = f"{scene.home}/Library/LaunchAgents"
    shared = base.folders([m.at(scene.home) for m in keep.guest.mounts], scene.home)
    program = runtime.program()
    plans = [
        File(str(paths.POLICY), policy(keep, scene).text().encode()),
        File(str(paths.WATCHED), health_render.plan_of(keep).text().encode()),
        File(snapshots.PLAN, snapshots_render.plan_of(keep).text().encode()),
    ]
    yield from entries.of(
        HOST,
        [
            *program,
            *plans,
            Directory(bridges.LOG_DIR, "750", keep.host.bridge_user, "wheel"),
            *(File(f"{DAEMONS}/{name}.plist", plist) for name, plist in plists),
            File(f"{agents}/{label}.plist", agent, owner=scene.owner, group="staff"),
            Directory(f"{scene.home}/Library/Logs/clawkeep", "700", scene.owner, "staff"),
            *(Directory(path, "755", scene.owner, "staff") for path in shared),
            *([Directory(CACHE)] if keep.offline else []),
        ],
        scene.home,
    )
    secrets = [str(paths.HOOKS)] if keep.alerts else []
    if keep.backup:
        secrets += [backup.PLAN, f"{runtime.ROOT}/etc/backup.key"]
        secrets += [f"{runtime.ROOT}/etc/backup.ssh"] if "SSH key" in keep.backup.references else []
    yield from (entries.secret(HOST, path, "root") for path in secrets)
    ours = [entry.path for entry in (*program, *plans) if isinstance(entry, File)]
    loaded = [str(p) for p in (paths.ANCHOR_FILE, paths.WALL_FILE)]
    loaded += [str(paths.SQUID_CONF), str(paths.DNSMASQ_CONF)]
    yield Check(
        HOST,
        "nothing-else",
        f"what root runs and reads below {runtime.ROOT}",
        "no file beyond those declared",
        {
            "folders": [f"{runtime.ROOT}/{name}" for name in ("bin", "lib", "libexec", "etc")],
            "known": [*ours, f"{runtime.LIBEXEC}/softnet", PINS, *loaded, *secrets,
                      f"{runtime.ROOT}/etc/.*"],
        },
    )  # fmt: skip


def _jobs(keep: Keep, scene: Scene) -> Iterator[Check]:
    yield from (entries.job(HOST, plist) for plist in daemons(keep))
    agent = vm_plist(keep, scene)
    yield entries.job(HOST, agent, session=scene.owner)
    labels = [plistlib.loads(plist)["Label"] for plist in (*daemons(keep), agent)]
    yield Check(
        HOST,
        "jobs",
        "com.nanoclaw.*",
        "no job of this name beyond those declared and granted",
        {
            "prefix": "com.nanoclaw.",
            "list": "launchctl list",
            "folders": [DAEMONS, f"{scene.home}/Library/LaunchAgents"],
            # The window for building needs the proxy, whatever egress says.
            "labels": [*labels, PROXY.label],
            "policy": policy(keep, scene),
        },
    )


def _programs(keep: Keep) -> Iterator[Check]:
    tap, least = keep.host.tap, {"tart": keep.host.tart_version}
    least["softnet"] = keep.host.softnet_version
    for name in ("tart", "softnet"):
        says = f"{least[name]} or newer, of {tap}"
        expected = {"formula": name, "least": least[name], "tap": tap}
        yield Check(HOST, "formula", name, says, expected)
    for name in dict.fromkeys(["uv", *keep.host_packages]):
        yield formula(HOST, name)
    copy = f"{runtime.LIBEXEC}/softnet"
    yield Check(
        HOST, "file", copy, "root:admin 4750: SUID, for administrators alone",
        {"path": copy, "type": "Regular File", "mode": "4750", "user": "root", "group": "admin"},
    )  # fmt: skip
    yield Check(
        HOST, "prints", "softnet is Homebrew's", "the same content as Homebrew's",
        {"command": f"shasum -a 256 /opt/homebrew/bin/softnet {copy} | cut -c 1-64 | uniq -c",
         "pattern": r"2 [0-9a-f]{64}"},
    )  # fmt: skip
    yield Check(
        HOST, "prints", "root's Python", "3.11 or newer",
        {"command": f"{runtime.PYTHON} -I -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'",
         "pattern": r"3\.(1[1-9]|[2-9]\d)"},
    )  # fmt: skip
    tree = f"{runtime.ROOT}/python"
    yield Check(
        HOST, "prints", "root's Python is only root's", "nothing in it that others can write",
        {"command": f"[ -d {tree} ] || echo {tree} is not there; find {tree} ! -type l "
                    "\\( ! -user root -o -perm -020 -o -perm -002 \\) | head -n 3",
         "pattern": "", "well": "nothing"},
    )  # fmt: skip


def formula(machine: Machine, name: str) -> Check:
    """Return the check of one formula; one named in full is from that tap."""
    tap = name.rpartition("/")[0]
    expected = {"formula": name, **({"tap": tap} if tap else {"tap": "homebrew/core"})}
    says = f"installed and linked, of {expected['tap']}"
    return Check(machine, "formula", name.rpartition("/")[2], says, expected)


def _accounts(keep: Keep, scene: Scene) -> Iterator[Check]:
    services = [skill.wants.host for skill in wanted(keep) if skill.wants.host]
    for user in dict.fromkeys([keep.host.bridge_user, *(one.user for one in services)]):
        if user != "nobody":
            yield nobody_special(HOST, user)
    yield Check(
        HOST, "group", "admin", "root and the Mac's user, nobody else",
        {"group": "admin", "members": ["root", scene.owner]},
    )  # fmt: skip


def nobody_special(machine: Machine, user: str, group: str = "") -> Check:
    """Return the check of a user without shell, home and password."""
    expected = {"user": user, "shell": "/usr/bin/false", "home": "/var/empty", "password": False}
    if group:
        expected["group"] = group
    says = "without shell, home and password" + (f", of the group {group} alone" if group else "")
    return Check(machine, "user", user, says, expected)


def _machines(keep: Keep, scene: Scene) -> Iterator[Check]:
    guest = keep.guest
    size = [guest.cpu, guest.memory_mb, guest.disk_gb]
    yield Check(
        HOST, "vm", guest.name, f"running, {size[0]} CPU, {size[1]} MB, {size[2]} GB",
        {"name": guest.name, "owner": scene.owner, "state": "running", "size": size},
    )  # fmt: skip
    yield Check(
        HOST, "vm", guest.base_snapshot, "there, and stopped",
        {"name": guest.base_snapshot, "owner": scene.owner, "state": "stopped"},
    )  # fmt: skip
