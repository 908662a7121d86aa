"""Files and mounts of the direct runtime's agents, in a guest."""

from __future__ import annotations

import json

import pytest

from clawkeep.contract.request import Request
from tests.lab.runtime_guest import RELEASE, ROOT, STATE, RuntimeGuest

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def test_another_name_of_a_secret_opens_nothing(guest: RuntimeGuest) -> None:
    # On a Mac an agent can make such a name itself; here the kernel wants root for it.
    guest.group("family")
    family = f"{STATE}/groups/family"
    guest.sh(f"ln -f {STATE}/.env {family}/second; ln -sf {STATE}/.env {family}/link")
    look = """eval: ['second', 'link', 'CLAUDE.md'].map((path) => {
        try { return fs.readFileSync(path, 'utf8') } catch (e) { return e.code } })"""
    with guest.running(look) as agent:
        assert agent.value() == ["EACCES", "EACCES", "You are Andy.\n"]
    assert guest.sh(f"stat -f '%Sp %Su' {STATE}/.env") == "-rw------- claw"
    guest.sh(f"rm {family}/second {family}/link")


def test_conversations_had_in_a_container_go_on(guest: RuntimeGuest) -> None:
    guest.group("old_friends")
    projects = f"{STATE}/data/sessions/old_friends/.claude/projects"
    guest.sh(
        f"umask 077; mkdir -p {projects}/-workspace-group/memory; cd {projects}/-workspace-group;"
        "echo '{}' > s-1.jsonl; echo 'remember' > memory/MEMORY.md",
        user="claw",
    )
    look = """eval: fs.readdirSync(HOME + '/.claude/projects').sort().map((key) =>
        [key, fs.readdirSync(HOME + '/.claude/projects/' + key).sort()])"""
    key = "-opt-nanoclaw-state-groups-old"
    expected = [[name, ["memory", "s-1.jsonl"]]
                for name in (f"{key}-friends", f"{key}_friends", "-workspace-group")]  # fmt: skip
    with guest.running(look, folder="old_friends") as agent:
        assert agent.value() == expected
    guest.sh(f"rm {projects}/{key}-friends/s-1.jsonl")
    with guest.running(look, folder="old_friends") as agent:
        assert agent.value()[0] == [f"{key}-friends", ["memory"]]


def test_memory_of_all_is_written_by_main_and_read_by_all(guest: RuntimeGuest) -> None:
    guest.sh(
        f"umask 077; mkdir -p {STATE}/groups/global; echo all > {STATE}/groups/global/CLAUDE.md",
        user="claw",
    )
    mount = f"{RELEASE}/groups/global:/workspace/global"
    write = """eval: [fs.writeFileSync(run + '/global/new.md', 'from main'),
        fs.appendFileSync(run + '/global/CLAUDE.md', 'main')]"""
    with guest.running(write, "-v", mount, folder="main", main=True) as agent:
        agent.value()
    look = """eval: [fs.readFileSync(run + '/global/CLAUDE.md', 'utf8'),
        fs.readFileSync(run + '/global/new.md', 'utf8'),
        (() => { try { fs.appendFileSync(run + '/global/CLAUDE.md', 'x') }
                 catch (e) { return e.code } })()]"""
    with guest.running(look, "-v", f"{mount}:ro") as agent:
        assert agent.value() == ["all\nmain", "from main", "EACCES"]
    assert guest.sh(f"cat {STATE}/groups/global/new.md", user="claw") == "from main"
    guest.sh(f"rm -r {STATE}/groups/global")


def allow(guest: RuntimeGuest, *, others_read_only: bool, writable: bool) -> None:
    allowlist = {
        "allowedRoots": [{"path": "/private/tmp/shared", "allowReadWrite": writable}],
        "blockedPatterns": ["token"],
        "nonMainReadOnly": others_read_only,
    }
    guest.sh("mkdir -p ~/.config/nanoclaw; chmod 700 ~/.config", user="claw")
    path = "/Users/claw/.config/nanoclaw/mount-allowlist.json"
    guest.put(path, json.dumps(allowlist).encode(), "600", "claw")
    guest.sh(
        "rm -rf /tmp/shared; mkdir -p /tmp/shared/a; cd /tmp/shared; chmod 755 . a; echo 1 > a/b"
    )


LOOK = """eval: [fs.readFileSync(run + '/extra/a/b', 'utf8'),
    (() => { try { fs.writeFileSync(run + '/extra/a/c', '') ; return 'wrote' }
             catch (e) { return e.code } })()]"""


def test_a_folder_of_the_allowlist_is_seen(guest: RuntimeGuest) -> None:
    allow(guest, others_read_only=True, writable=True)
    with guest.running(LOOK, "-v", "/tmp/shared/a:/workspace/extra/a:ro") as agent:
        assert agent.value() == ["1\n", "EACCES"]


def test_a_folder_is_written_only_where_list_group_and_mount_say_so(guest: RuntimeGuest) -> None:
    mount = ("-v", "/tmp/shared/a:/workspace/extra/a")
    allow(guest, others_read_only=False, writable=True)
    open_up = "chgrp claw-agent-1 /tmp/shared/a && chmod 2775 /tmp/shared/a"
    guest.sh(open_up)
    with guest.running(LOOK, *mount) as agent:
        assert agent.value() == ["1\n", "wrote"]
    # The list takes the right away; the folder's own permissions still give it.
    for others_read_only, writable in ((True, True), (False, False)):
        allow(guest, others_read_only=others_read_only, writable=writable)
        guest.sh(open_up)
        with guest.running(LOOK, *mount) as agent:
            assert agent.wait() == 125
        assert b"is read-only for the agent, and it could write it" in agent.stderr


def test_a_writable_corner_of_a_read_only_folder_is_found(guest: RuntimeGuest) -> None:
    allow(guest, others_read_only=True, writable=True)
    guest.sh("cd /tmp/shared/a; chgrp wheel .; mkdir -p deep/x; chmod 777 deep/x")
    with guest.running(LOOK, "-v", "/tmp/shared/a:/workspace/extra/a:ro") as agent:
        assert agent.wait() == 125
    assert b"/tmp/shared/a/deep/x" in agent.stderr
    guest.sh("rm -r /tmp/shared/a/deep")


@pytest.mark.parametrize(
    ("mount", "why"),
    [
        ("/tmp/shared/my-tokens:/workspace/extra/a:ro", b"pattern 'token'"),
        ("/tmp/shared/way:/workspace/extra/a:ro", b"pattern '.ssh'"),
        ("/tmp/shared/../shared/a:/workspace/extra/a:ro", b"`..`"),
        ("/tmp/other:/workspace/extra/a:ro", b"none of the allowed roots"),
        ("/tmp/shared/absent:/workspace/extra/a:ro", b"No such file"),
        ("/tmp/shared/a:/workspace/extra/../a:ro", b"plainly"),
        ("/tmp/shared/a:/etc:ro", b"does not know it"),
        (f"{STATE}/store:/workspace/extra/a:ro", b"of the system or the keep"),
        (f"{RELEASE}/groups/main:/workspace/group", b"twice"),
    ],
)
def test_any_other_folder_is_refused(guest: RuntimeGuest, mount: str, why: bytes) -> None:
    allow(guest, others_read_only=True, writable=True)
    guest.sh(
        "mkdir -p /tmp/other /tmp/shared/my-tokens /tmp/home/.ssh;"
        "ln -sfn /tmp/home/.ssh /tmp/shared/way"
    )
    with guest.running("hi", "-v", mount) as agent:
        assert agent.wait() == 125
    assert why in agent.stderr, agent.stderr
    assert agent.stdout == b""


def test_without_an_allowlist_nothing_is_mounted(guest: RuntimeGuest) -> None:
    guest.sh("rm -f /Users/claw/.config/nanoclaw/mount-allowlist.json")
    with guest.running("hi", "-v", "/tmp/shared/a:/workspace/extra/a:ro") as agent:
        assert agent.wait() == 125
    assert b"no mount allowlist" in agent.stderr


def test_one_groups_folders_are_not_anothers(guest: RuntimeGuest) -> None:
    guest.group("main")
    guest.group("family")
    for wrong, right in (
        ("sessions/family", "sessions/main"),
        ("ipc/family", "ipc/main"),
        ("groups/family", "groups/global"),
        ("groups/family", "groups"),
    ):
        guest.sh(f"mkdir -p {STATE}/groups/global")
        words = [word.replace(wrong, right) for word in guest.arguments("family")]
        agent = guest.start(words, Request("hi", "family", "j").encode("v1.1"))
        assert agent.wait() == 125
        assert b"mounts:" in agent.stderr
    guest.sh(f"rm -r {STATE}/groups/global")


def test_the_seatbelt_is_put_on_where_there_is_one(guest: RuntimeGuest) -> None:
    recorder = b'#!/bin/sh\n[ "$1" = -f ] || exit 9\ncat "$2" >&2\nshift 2\nexec "$@"\n'
    guest.put("/usr/bin/sandbox-exec", recorder, "755")
    try:
        with guest.running("hello", folder="main", main=True) as agent:
            assert agent.answer() == "5 bytes: hello"
        guest.configure(sandbox=False)
        with guest.running("hello", folder="main", main=True) as bare:
            assert bare.answer() == "5 bytes: hello"
    finally:
        guest.sh("rm /usr/bin/sandbox-exec")
    assert agent.stderr.decode().splitlines()[:-1] == [
        "(version 1)",
        "(allow default)",
        "(deny file-link)",
        *(
            f'(allow file-link (subpath "{path}"))'
            for path in (
                f"{STATE}/groups/main",
                f"{STATE}/data/sessions/main/.claude",
                *(f"{ROOT}/runs/{agent.name}/{own}" for own in ("home", "tmp", "ipc")),
            )
        ),
        f'(deny file-write* (subpath "{RELEASE}"))',
        f'(deny file-write* (subpath "{ROOT}/releases"))',
        *(
            f'(deny file-read* file-write* (subpath "{STATE}{name}"))'
            for name in ("/.env", "/credentials", "/store", "/logs")
        ),
        "(deny appleevent-send)",
        "(deny job-creation)",
        '(deny mach-lookup (global-name "com.apple.pasteboard.1"))',
        '(deny mach-lookup (global-name "com.apple.coreservices.appleevents"))',
    ]
    assert bare.stderr == b"[agent-runner] started\n"
