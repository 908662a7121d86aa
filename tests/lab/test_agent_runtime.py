"""The direct runtime in a guest: what an agent gets, what it cannot have, and how it ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from clawkeep.contract.request import Request
from lab.lab import Lab
from roles.agent.program import PYTHON
from tests.lab import runtime_guest
from tests.lab.runtime_guest import AGENTS, DOCKER, RELEASE, ROOT, STATE, RuntimeGuest
from tests.lab.tart_host import wait_for

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def installed(lab: Lab) -> Iterator[RuntimeGuest]:
    yield from runtime_guest.started(lab)


@pytest.fixture
def guest(installed: RuntimeGuest) -> Iterator[RuntimeGuest]:
    """The guest, with its first settings, and nothing left of the test before."""
    installed.configure()
    installed.sh(f"rm -f {STATE}/logs/runtime.jsonl")
    yield installed
    installed.configure()
    assert installed.names() == []
    assert [line for line in installed.left() if "nanoclaw" in line] == []


class TestWhatAnAgentIs:
    def test_it_answers_and_ends_when_it_is_asked_to(self, guest: RuntimeGuest) -> None:
        with guest.running("hello", folder="main", main=True) as agent:
            assert agent.answer() == "5 bytes: hello"
            assert guest.names() == [agent.name]
            guest.close("main")
            assert agent.wait() == 0
        assert agent.stderr == b"[agent-runner] started\n"
        assert guest.left() == []
        events = [(line["event"], line.get("text"), line.get("status")) for line in guest.journal()]
        assert events == [("start", None, None), ("result", None, "success"),
                          ("end", None, 0)]  # fmt: skip

    def test_it_is_a_user_of_its_own_without_rights(self, guest: RuntimeGuest) -> None:
        seen = """eval: [os.userInfo().username, process.getuid() === process.geteuid(),
            process.getgroups(), process.umask(0o007), process.cwd(), process.stdin.isTTY ?? false,
            childProcess.execSync('ps -o pgid= -p ' + process.pid, {encoding: 'utf8'}).trim()
              === String(process.pid), childProcess.spawnSync('sudo', ['-n', 'true']).status]"""
        with guest.running(seen, folder="main", main=True) as agent:
            assert agent.value() == [
                "claw-agent", True, [600], 0o007, f"{STATE}/groups/main", False, True, 1
            ]  # fmt: skip

    def test_its_environment_is_made_from_nothing(self, guest: RuntimeGuest) -> None:
        with guest.running(
            "eval: process.env", "-e", "SECRET=x", "-e", "HOME=/etc", "-e", "PATH=/x"
        ) as agent:
            found = agent.value()
            run = f"{ROOT}/runs/{agent.name}"
        # The lab's node is a shell script, which adds these.
        added = {found.pop(name, None) for name in ("NODE_EXTRA_CA_CERTS", "PWD", "SHLVL")}
        assert added <= {"/etc/ssl/cert.pem", f"{STATE}/groups/family", "0", None}
        assert found.pop("SHELL") in ("/bin/zsh", "/bin/bash")
        user = found.pop("USER")
        assert user in AGENTS[1:]
        assert found == {
            "PATH": "/opt/homebrew/opt/node@24/bin:/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": f"{run}/home",
            "TMPDIR": f"{run}/tmp",
            "CLAUDE_CODE_TMPDIR": f"{run}/tmp",
            "CLAUDE_TMPDIR": f"{run}/tmp",
            "LOGNAME": user,
            "LANG": "en_US.UTF-8",
            "TZ": "Europe/Berlin",
        }

    def test_limits_hold(self, guest: RuntimeGuest) -> None:
        guest.configure(limits={"cpu_s": 60, "files": 128, "processes": 40, "memory_mb": None})
        spawn = """eval: (() => { const found = []; for (let n = 0; n < 60; n++) {
            const one = childProcess.spawn('sleep', ['60']); one.on('error', () => {});
            if (one.pid) found.push(one.pid) } return [found.length,
            childProcess.execSync('ulimit -n; ulimit -t; ulimit -c', {encoding: 'utf8',
            shell: '/bin/bash'}).split('\\n')] })()"""
        with guest.running(spawn.replace("60; n++", "20; n++")) as agent:
            assert agent.value() == [20, ["128", "60", "0", ""]]
        with guest.running(spawn.replace("childProcess.execSync", "String")) as agent:
            assert 10 < agent.value()[0] < 40

    def test_memory_has_an_end(self, guest: RuntimeGuest) -> None:
        guest.configure(limits={"cpu_s": None, "files": None, "processes": None, "memory_mb": 400})
        with guest.running("eval: (globalThis.x = Buffer.alloc(1e8, 1)).length") as agent:
            assert agent.value() == 1e8
            time.sleep(4)
            assert guest.names() == [agent.name]
        with guest.running("eval: (globalThis.x = Buffer.alloc(6e8, 1)).length") as agent:
            assert agent.wait() == 137
        assert b"MB, and may use 400" in agent.stderr

    def test_a_credential_travels_by_no_file_and_no_command_line(self, guest: RuntimeGuest) -> None:
        guest.configure(credentials="inject")
        secret = {"ANTHROPIC_API_KEY": "sk-ant-0815"}
        guest.put(f"{STATE}/credentials", json.dumps(secret).encode(), "600", "claw")
        seen = "eval: process.env.ANTHROPIC_API_KEY"
        with guest.running(seen, folder="main", main=True) as agent:
            assert agent.value() == "sk-ant-0815"
            assert guest.sh("ps -axo args= | grep -c [s]k-ant || true") == "0"
            found = guest.sh(f"grep -rl sk-ant {ROOT}/runs {STATE}/data {STATE}/groups || true")
            assert found == ""
            assert guest.sh(f"grep -c sk-ant {STATE}/credentials") == "1"
        for mode, text in (("640", json.dumps(secret)), ("600", '{"X": "sk-ant-0815"}'),
                           ("600", '{"ANTHROPIC_API_KEY": "sk-ant-0815')):  # fmt: skip
            guest.put(f"{STATE}/credentials", text.encode(), mode, "claw")
            with guest.running(seen, folder="main", main=True) as agent:
                assert agent.wait() == 125
            assert b"credentials" in agent.stderr
            assert b"0815" not in agent.stderr

    def test_secrets_of_the_request_stay_in_it(self, guest: RuntimeGuest) -> None:
        seen = "eval: [input.secrets.ANTHROPIC_API_KEY.length, 'ANTHROPIC_API_KEY' in process.env]"
        with guest.running(seen, secrets={"ANTHROPIC_API_KEY": "sk-ant-4711"}) as agent:
            assert agent.value() == [11, False]
            assert guest.sh(f"grep -rl sk-ant-4711 {ROOT} || true") == ""


class TestPrompts:
    @pytest.mark.parametrize(
        "prompt",
        ["$(touch /tmp/owned) `id`; id\n\n' \" \\ %s {{.Names}}", "nul \0 and \x1b[31m", "ä" * 70],
        ids=["shell", "control characters", "letters"],
    )
    def test_a_prompt_arrives_as_it_was(self, guest: RuntimeGuest, prompt: str) -> None:
        with guest.running(prompt) as agent:
            assert agent.answer() == f"{len(prompt.encode())} bytes: {prompt}"
        assert guest.sh("ls /tmp") == guest.sh("ls /tmp | grep -v owned")

    def test_a_megabyte_goes_in_and_out(self, guest: RuntimeGuest) -> None:
        with guest.running("x" * 1_000_000) as agent:
            assert agent.answer().startswith("1000000 bytes: xxx")
        with guest.running("eval: 'y'.repeat(3_000_000)") as agent:
            assert agent.value() == "y" * 3_000_000

    def test_noise_around_the_answer_is_passed_on(self, guest: RuntimeGuest) -> None:
        noise = "eval: fs.writeSync(1, Buffer.from([0, 255, 13, 10, 128]))"
        with guest.running(noise) as agent:
            assert agent.value() == 5
        assert b"\0\xff\r\n\x80" in agent.stdout

    def test_what_is_no_request_is_told_as_the_agent_tells_it(self, guest: RuntimeGuest) -> None:
        guest.group("family")
        agent = guest.start(guest.arguments("family"), b"{")
        assert agent.wait() == 1
        (told,) = agent.outputs
        assert told.status == "error"
        assert "no JSON on stdin" in (told.error or "")


class TestFiles:
    def test_it_reads_and_writes_its_own_and_nanoclaw_does_too(self, guest: RuntimeGuest) -> None:
        own = """eval: [fs.readFileSync('CLAUDE.md', 'utf8'),
            fs.readFileSync(run + '/group/CLAUDE.md', 'utf8') ===
              fs.readFileSync('CLAUDE.md', 'utf8'),
            fs.readFileSync(HOME + '/.claude/settings.json', 'utf8'),
            fs.mkdirSync('notes/deep', {recursive: true}) && fs.writeFileSync('notes/deep/a', '1'),
            fs.writeFileSync(HOME + '/.claude/b', '2'), fs.appendFileSync('CLAUDE.md', 'more'),
            fs.writeFileSync(os.tmpdir() + '/c', '3'), fs.writeFileSync(HOME + '/d', '4')]"""
        with guest.running(own) as agent:
            assert agent.value()[:3] == ["You are Andy.\n", True, "{}\n"]
        script = (
            "cat groups/family/CLAUDE.md groups/family/notes/deep/a data/sessions/family/.claude/b"
        )
        assert guest.sh(f"cd {STATE} && {script}", user="claw") == "You are Andy.\nmore12"
        guest.sh(f"cd {STATE}/groups/family && rm -r notes && echo new > CLAUDE.md", user="claw")

    OTHERS = (
        f"{STATE}/.env",
        f"{STATE}/store/messages.db",
        f"{STATE}/logs/runtime.jsonl",
        f"{STATE}/agents.json",
        f"{STATE}/groups/main/CLAUDE.md",
        f"{STATE}/groups/main/logs/own",
        f"{STATE}/data/sessions/main/.claude/settings.json",
        f"{STATE}/data/sessions/family/agent-runner-src/index.ts",
        f"{STATE}/data/ipc/main/current_tasks.json",
        f"{STATE}/data/ipc/family/current_tasks.json",
        "/Users/claw/.config/nanoclaw/mount-allowlist.json",
    )

    def test_it_reads_nobody_elses(self, guest: RuntimeGuest) -> None:
        guest.group("main")
        guest.group("family")
        guest.sh("umask 077; mkdir -p ~/.config/nanoclaw", user="claw")
        for path in self.OTHERS:
            guest.sh(f"umask 077; touch {path}", user="claw")
        look = f"""eval: Object.fromEntries({json.dumps(self.OTHERS)}.map((path) => {{
            try {{ fs.readFileSync(path); return [path, 'read'] }} catch (e) {{ return [path, e.code] }}
        }}))"""
        with (
            guest.running("hi", folder="main", main=True) as other,
            guest.running(look) as agent,
        ):
            other.answer()
            assert agent.value() == dict.fromkeys(self.OTHERS, "EACCES")
            runs = f"{ROOT}/runs/{other.name}"
            listed = f"""eval: ['', '/home', '/ipc/input', '/run.json'].map((path) => {{
                try {{ fs.readdirSync('{runs}' + path) }} catch (e) {{ return e.code }} }})"""
            self._tell(guest, "family", listed)
            assert agent.value(1) == ["EACCES"] * 4
        # The main group's agent can read what is its own, so the questions were good ones.
        with guest.running(look, folder="main", main=True) as agent:
            found = agent.value()
        assert [path for path, seen in found.items() if seen == "read"] == [
            f"{STATE}/groups/main/CLAUDE.md",
            f"{STATE}/groups/main/logs/own",
            f"{STATE}/data/sessions/main/.claude/settings.json",
        ]

    def _tell(self, guest: RuntimeGuest, folder: str, text: str) -> None:
        path = f"{STATE}/data/ipc/{folder}/input/{time.time_ns()}.json"
        message = json.dumps({"type": "message", "text": text})
        guest.put(path, message.encode(), "600", "claw")

    def test_it_changes_neither_code_nor_others(self, guest: RuntimeGuest) -> None:
        guest.group("family")
        places = (RELEASE, f"{RELEASE}/agent/dist", f"{STATE}/groups/family", STATE, f"{ROOT}/runs",
                  f"{STATE}/data/ipc/main/messages", "/usr/local/clawkeep/bin", "/etc/clawkeep")  # fmt: skip
        write = f"""eval: {json.dumps(places)}.map((folder) => {{
            try {{ fs.writeFileSync(folder + '/x', ''); return 'wrote' }} catch (e) {{ return e.code }}
        }}).concat([fs.writeFileSync('own', ''), fs.realpathSync(run + '/project')])"""
        with guest.running(write, folder="main", main=True) as agent:
            assert agent.value() == [*["EACCES"] * len(places), None, RELEASE]

    def test_another_name_of_a_secret_opens_nothing(self, guest: RuntimeGuest) -> None:
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

    def test_conversations_had_in_a_container_go_on(self, guest: RuntimeGuest) -> None:
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

    def test_memory_of_all_is_written_by_main_and_read_by_all(self, guest: RuntimeGuest) -> None:
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


class TestMounts:
    def _allow(self, guest: RuntimeGuest, *, others_read_only: bool, writable: bool) -> None:
        allowlist = {
            "allowedRoots": [{"path": "/private/tmp/shared", "allowReadWrite": writable}],
            "blockedPatterns": ["token"],
            "nonMainReadOnly": others_read_only,
        }
        guest.sh("mkdir -p ~/.config/nanoclaw; chmod 700 ~/.config", user="claw")
        path = "/Users/claw/.config/nanoclaw/mount-allowlist.json"
        guest.put(path, json.dumps(allowlist).encode(), "600", "claw")
        guest.sh(
            "rm -rf /tmp/shared; mkdir -p /tmp/shared/a; chmod 755 /tmp/shared /tmp/shared/a; echo 1 > /tmp/shared/a/b"
        )

    LOOK = """eval: [fs.readFileSync(run + '/extra/a/b', 'utf8'),
        (() => { try { fs.writeFileSync(run + '/extra/a/c', '') ; return 'wrote' }
                 catch (e) { return e.code } })()]"""

    def test_a_folder_of_the_allowlist_is_seen(self, guest: RuntimeGuest) -> None:
        self._allow(guest, others_read_only=True, writable=True)
        with guest.running(self.LOOK, "-v", "/tmp/shared/a:/workspace/extra/a:ro") as agent:
            assert agent.value() == ["1\n", "EACCES"]

    def test_a_folder_is_written_only_where_list_group_and_mount_say_so(
        self, guest: RuntimeGuest
    ) -> None:
        mount = ("-v", "/tmp/shared/a:/workspace/extra/a")
        self._allow(guest, others_read_only=False, writable=True)
        open_up = "chgrp claw-agent-1 /tmp/shared/a && chmod 2775 /tmp/shared/a"
        guest.sh(open_up)
        with guest.running(self.LOOK, *mount) as agent:
            assert agent.value() == ["1\n", "wrote"]
        # The list takes the right away; the folder's own permissions still give it.
        for others_read_only, writable in ((True, True), (False, False)):
            self._allow(guest, others_read_only=others_read_only, writable=writable)
            guest.sh(open_up)
            with guest.running(self.LOOK, *mount) as agent:
                assert agent.wait() == 125
            assert b"is read-only for the agent, and it could write it" in agent.stderr

    def test_a_writable_corner_of_a_read_only_folder_is_found(self, guest: RuntimeGuest) -> None:
        self._allow(guest, others_read_only=True, writable=True)
        guest.sh(
            "chgrp wheel /tmp/shared/a; mkdir -p /tmp/shared/a/deep/x; chmod 777 /tmp/shared/a/deep/x"
        )
        with guest.running(self.LOOK, "-v", "/tmp/shared/a:/workspace/extra/a:ro") as agent:
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
    def test_any_other_folder_is_refused(self, guest: RuntimeGuest, mount: str, why: bytes) -> None:
        self._allow(guest, others_read_only=True, writable=True)
        guest.sh(
            "mkdir -p /tmp/other /tmp/shared/my-tokens /tmp/home/.ssh;"
            "ln -sfn /tmp/home/.ssh /tmp/shared/way"
        )
        with guest.running("hi", "-v", mount) as agent:
            assert agent.wait() == 125
        assert why in agent.stderr, agent.stderr
        assert agent.stdout == b""

    def test_without_an_allowlist_nothing_is_mounted(self, guest: RuntimeGuest) -> None:
        guest.sh("rm -f /Users/claw/.config/nanoclaw/mount-allowlist.json")
        with guest.running("hi", "-v", "/tmp/shared/a:/workspace/extra/a:ro") as agent:
            assert agent.wait() == 125
        assert b"no mount allowlist" in agent.stderr

    def test_one_groups_folders_are_not_anothers(self, guest: RuntimeGuest) -> None:
        guest.group("main")
        guest.group("family")
        for wrong, right in (("sessions/family", "sessions/main"), ("ipc/family", "ipc/main"),
                             ("groups/family", "groups/global"), ("groups/family", "groups")):  # fmt: skip
            guest.sh(f"mkdir -p {STATE}/groups/global")
            words = [word.replace(wrong, right) for word in guest.arguments("family")]
            agent = guest.start(words, Request("hi", "family", "j").encode("v1.1"))
            assert agent.wait() == 125
            assert b"mounts:" in agent.stderr
        guest.sh(f"rm -r {STATE}/groups/global")

    def test_the_seatbelt_is_put_on_where_there_is_one(self, guest: RuntimeGuest) -> None:
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
            f'(deny file-write* (subpath "{RELEASE}"))',
            f'(deny file-write* (subpath "{ROOT}/releases"))',
            *(
                f'(deny file-read* file-write* (subpath "{STATE}{name}"))'
                for name in ("/.env", "/credentials", "/store", "/logs")
            ),
        ]
        assert bare.stderr == b"[agent-runner] started\n"


class TestMessages:
    def test_follow_ups_reach_it(self, guest: RuntimeGuest) -> None:
        with guest.running("first") as agent:
            assert agent.answer() == "5 bytes: first"
            TestFiles()._tell(guest, "family", "a second one")
            assert agent.answer(1) == "12 bytes: a second one"
        assert guest.sh(f"ls {STATE}/data/ipc/family/input") == ""

    def test_what_it_sends_arrives_as_nanoclaws_own_file(self, guest: RuntimeGuest) -> None:
        send = """eval: [fs.writeFileSync(run + '/ipc/messages/1-a.json.tmp', '{"text":"$(id)"}'),
            fs.renameSync(run + '/ipc/messages/1-a.json.tmp', run + '/ipc/messages/1-a.json'),
            fs.writeFileSync(run + '/ipc/tasks/2-b.json', '{}', {mode: 0o666})]"""
        ipc = f"{STATE}/data/ipc/family"
        with guest.running(send) as agent:
            agent.value()
            wait_for("a message", lambda: guest.sh(f"ls {ipc}/tasks") == "2-b.json")
            assert guest.sh(f"cat {ipc}/messages/1-a.json") == '{"text":"$(id)"}'
            assert guest.sh(f"stat -f '%Sp %Su' {ipc}/*/*-?.json") == "\n".join(
                ["-rw------- claw"] * 2
            )
        guest.sh(f"rm {ipc}/*/*-?.json")

    def test_it_can_plant_nothing_among_nanoclaws_files(self, guest: RuntimeGuest) -> None:
        plant = f"""eval: [fs.symlinkSync('{STATE}/.env', run + '/ipc/messages/1-link.json'),
            childProcess.execFileSync('mkfifo', [run + '/ipc/messages/2-pipe.json']),
            fs.mkdirSync(run + '/ipc/messages/3-folder.json'),
            fs.writeFileSync(run + '/ipc/messages/-x $(id).json', ''),
            fs.writeFileSync(run + '/tmp/large', 'x'.repeat(17 * 1024 * 1024)),
            fs.renameSync(run + '/tmp/large', run + '/ipc/messages/4-large.json'),
            fs.writeFileSync(run + '/ipc/messages/5-good.json', '{{}}')]"""
        messages = f"{STATE}/data/ipc/family/messages"
        with guest.running(plant) as agent:
            agent.value()
            # Another name of somebody else's file; only root can make it on Linux.
            guest.sh(f"ln {STATE}/.env {ROOT}/runs/{agent.name}/ipc/messages/6-second.json")
            wait_for("the good one", lambda: guest.sh(f"ls -A {messages}") == "5-good.json")
        assert guest.sh(f"ls -A {messages}") == "5-good.json"
        refused = sorted(line["path"].rpartition("/")[2] for line in guest.journal()
                         if line["event"] == "ipc")  # fmt: skip
        assert refused == ["-x $(id).json", "1-link.json", "2-pipe.json", "3-folder.json",
                           "4-large.json", "6-second.json"]  # fmt: skip
        guest.sh(f"rm {messages}/5-good.json")

    def test_it_sees_what_nanoclaw_knows_and_when_that_changes(self, guest: RuntimeGuest) -> None:
        guest.group("family")
        tasks = f"{STATE}/data/ipc/family/current_tasks.json"
        guest.put(tasks, b"[1]", "600", "claw")
        look = "eval: fs.readFileSync(run + '/ipc/current_tasks.json', 'utf8')"
        with guest.running(look) as agent:
            assert agent.value() == "[1]"
            guest.put(tasks, b"[1,2]", "600", "claw")
            seen = f"{ROOT}/runs/{agent.name}/ipc/current_tasks.json"
            wait_for("the new list", lambda: guest.sh(f"cat {seen}") == "[1,2]")
            TestFiles()._tell(guest, "family", look)
            assert agent.value(1) == "[1,2]"
        guest.sh(f"rm {tasks}")

    def test_messages_that_it_did_not_take_go_back(self, guest: RuntimeGuest) -> None:
        busy = "eval: new Promise((done) => setTimeout(done, 60000))"
        with guest.running(busy) as agent:
            wait_for("its start", lambda: b"started" in agent.stderr)
            TestFiles()._tell(guest, "family", "later")
            inside = f"{ROOT}/runs/{agent.name}/ipc/input"
            wait_for("the message", lambda: guest.sh(f"ls {inside}") != "")
            guest.docker("stop", "-t", "1", agent.name)
            agent.wait()
        with guest.running("hi") as agent:
            assert agent.answer(1) == "5 bytes: later"

    def test_its_last_words_are_carried(self, guest: RuntimeGuest) -> None:
        last = "eval: [fs.writeFileSync(run + '/ipc/messages/9-last.json', '{}'), process.exit(3)]"
        with guest.running(last) as agent:
            assert agent.wait() == 3
        assert guest.sh(f"ls {STATE}/data/ipc/family/messages") == "9-last.json"
        guest.sh(f"rm {STATE}/data/ipc/family/messages/9-last.json")


class TestTheEnd:
    @pytest.mark.parametrize(
        ("prompt", "status"),
        [("exit: 0", 0), ("exit: 7", 7), ("exit: 255", 255), ("abort: SIGKILL", 137),
         ("abort: SIGTERM", 143), ("abort: SIGINT", 130), ("eval: nonsense(", 1)],
    )  # fmt: skip
    def test_its_status_is_the_runs(self, guest: RuntimeGuest, prompt: str, status: int) -> None:
        with guest.running(prompt) as agent:
            assert agent.wait() == status
        assert guest.journal()[-1]["status"] == status
        assert guest.left() == []

    def test_stop_asks_first(self, guest: RuntimeGuest) -> None:
        asked = """eval: process.on('SIGTERM', () => { fs.writeSync(1, 'asked'); process.exit(5) })
            && null"""
        with guest.running(asked) as agent:
            agent.value()
            done = guest.docker("stop", agent.name)
            assert (done.returncode, done.stdout) == (0, agent.name + "\n")
            assert agent.wait() == 5
        assert agent.stdout.endswith(b"asked")

    def test_stop_does_not_ask_for_ever(self, guest: RuntimeGuest) -> None:
        deaf = "eval: process.on('SIGTERM', () => {}) && null"
        with guest.running(deaf) as agent:
            agent.value()
            began = time.monotonic()
            assert guest.docker("stop", "-t", "1", agent.name).returncode == 0
            assert 1 < time.monotonic() - began < 8
            assert guest.left() == []
            assert agent.wait() == 137

    @pytest.mark.parametrize(("words", "status"), [(("kill",), 137), (("kill", "-s", "TERM"), 143),
                                                   (("rm", "-f"), 137)])  # fmt: skip
    def test_kill_and_rm_end_it(
        self, guest: RuntimeGuest, words: tuple[str, ...], status: int
    ) -> None:
        with guest.running("hi") as agent:
            agent.answer()
            done = guest.docker(*words, agent.name)
            assert done.returncode == 0, done.stderr
            assert agent.wait() == status

    def test_a_signal_to_the_runtime_is_the_agents(self, guest: RuntimeGuest) -> None:
        with guest.running("hi") as agent:
            agent.answer()
            supervisor = json.loads(guest.docker("ps", "--format", "json").stdout)["Pid"]
            guest.sh(f"kill -TERM {supervisor}")
            assert agent.wait() == 143

    def test_a_killed_runtime_takes_its_agent_along(self, guest: RuntimeGuest) -> None:
        with guest.running("eval: childProcess.spawn('sleep', ['600']).pid") as agent:
            agent.value()
            supervisor = json.loads(guest.docker("ps", "--format", "json").stdout)["Pid"]
            guest.sh(f"kill -KILL {supervisor}")
            # NanoClaw waits until both pipes are closed.
            assert agent.wait(5) != 0
            wait_for("the end of the agent", lambda: guest.left() == [], 5)
        assert guest.journal()[-1]["event"] == "abandoned"

    def test_what_nobody_ended_the_next_call_ends(self, guest: RuntimeGuest) -> None:
        with guest.running("eval: childProcess.spawn('sleep', ['600']).pid") as agent:
            agent.value()
            # The supervisor and the fork that watches over it, at the same moment.
            guest.sh(f"kill -KILL $(pgrep -u claw -f '[d]ocker run.*{agent.name}')")
            assert agent.wait(5) != 0
            assert [line for line in guest.left() if "sleep 600" in line]
            assert guest.names() == []
            assert guest.left() == []
        assert guest.journal()[-1]["event"] == "reaped"

    def test_it_ends_when_nanoclaw_does(self, guest: RuntimeGuest) -> None:
        guest.group("family")
        words = guest.arguments("family")
        request = Request("hi", "family", "j").encode("v1.1").decode()
        # A NanoClaw that starts an agent and is gone: its child belongs to nobody then.
        script = f'cd {RELEASE}; (echo \'{request}\' | "$0" "$@" >/dev/null 2>&1 & sleep 2)'
        guest.lab.exec(f"guest:{guest.vm}", ["/bin/sh", "-c", script, DOCKER, *words], user="claw")
        wait_for("the end of the agent", lambda: guest.left() == [], 15)
        why = [line["why"] for line in guest.journal() if line["event"] == "cut off"]
        assert why == ["NanoClaw has ended"]

    def test_what_left_its_group_ends_with_it(self, guest: RuntimeGuest) -> None:
        escape = """eval: childProcess.spawn('sleep', ['601'], {detached: true, stdio: 'inherit'})
            .unref()"""
        with guest.running(escape) as agent:
            agent.value()
            wait_for("the sleeper", lambda: any("sleep 601" in line for line in guest.left()))
            guest.close("family")
            assert agent.wait() == 0
        assert guest.left() == []

    def test_a_runs_end_does_not_touch_the_groups_other_run(self, guest: RuntimeGuest) -> None:
        with guest.running("one") as first, guest.running("two") as second:
            first.answer()
            second.answer()
            assert sorted(guest.names()) == sorted([first.name, second.name])
            guest.docker("stop", "-t", "1", first.name)
            assert first.wait() == 143
            assert guest.names() == [second.name]
            TestFiles()._tell(guest, "family", "alive")
            assert second.answer(1) == "5 bytes: alive"

    def test_files_that_resist_are_removed_too(self, guest: RuntimeGuest) -> None:
        resist = """eval: [fs.mkdirSync(HOME + '/a/b', {recursive: true}),
            fs.writeFileSync(HOME + '/a/b/c', ''), fs.chmodSync(HOME + '/a/b', 0),
            fs.mkdirSync(run + '/ipc/messages/d/e', {recursive: true, mode: 0o700}),
            fs.mkdirSync(os.tmpdir() + '/f', {mode: 0}), fs.writeFileSync('kept', '')]"""
        with guest.running(resist) as agent:
            agent.value()
        assert guest.left() == []
        assert guest.sh(f"ls {STATE}/groups/family/kept") != ""

    def test_a_later_process_of_that_pid_is_not_signalled(self, guest: RuntimeGuest) -> None:
        with guest.running("hi") as agent:
            agent.answer()
            path = f"{ROOT}/runs/{agent.name}/agent.json"
            kept = guest.sh(f"cat {path}")
            earlier = json.loads(kept) | {"started": json.loads(kept)["started"] - 100}
            guest.put(path, json.dumps(earlier).encode(), "644", "claw")
            done = guest.docker("kill", agent.name)
            assert done.returncode == 1
            assert "has ended" in done.stderr
            assert guest.names() == [agent.name]
            guest.put(path, kept.encode(), "644", "claw")
            assert guest.docker("kill", agent.name).returncode == 0
            assert agent.wait() == 137


class TestWhoMay:
    def test_every_group_has_its_user_for_ever(self, guest: RuntimeGuest) -> None:
        guest.sh(f"rm -f {STATE}/agents.json")
        who = "eval: os.userInfo().username"
        seen = {}
        for folder, main in (("work", False), ("main", True), ("family", False), ("work", False)):
            guest.sh(f"rm -rf {STATE}/groups/{folder} {STATE}/data/sessions/{folder}")
            with guest.running(who, folder=folder, main=main) as agent:
                seen.setdefault(folder, set()).add(agent.value())
        assert seen == {"work": {"claw-agent-1"}, "main": {"claw-agent"},
                        "family": {"claw-agent-2"}}  # fmt: skip
        with guest.running(who, folder="another") as agent:
            assert agent.wait() == 125
        assert b"raise agent.users" in agent.stderr
        guest.sh(f"rm -rf {STATE}/agents.json {STATE}/groups/* {STATE}/data/sessions/*")

    def test_a_group_that_was_excluded_does_not_run(self, guest: RuntimeGuest) -> None:
        with guest.running("hi", folder="outcast") as agent:
            assert agent.wait() == 125
        assert b"agent.groups_denied" in agent.stderr

    @pytest.mark.parametrize("enabled", [False, None, "true", 1])
    def test_nothing_runs_where_it_is_not_switched_on(
        self, guest: RuntimeGuest, enabled: object
    ) -> None:
        assert guest.docker("info").returncode == 0
        guest.configure(enabled=enabled)
        assert guest.docker("info").returncode == 1
        with guest.running("hi") as agent:
            assert agent.wait() == 125
        assert b"may not run directly" in agent.stderr
        assert guest.docker("ps").returncode == 0

    def test_settings_that_others_can_write_are_none(self, guest: RuntimeGuest) -> None:
        guest.sh("chmod 664 /etc/clawkeep/runtime.json")
        done = guest.docker("info")
        assert done.returncode == 125
        assert "root's alone" in done.stderr
        guest.sh("mv /etc/clawkeep/runtime.json /etc/clawkeep/away")
        assert "No such file" in guest.docker("info").stderr
        guest.sh("rm /etc/clawkeep/away")

    def test_only_nanoclaws_user_runs_agents(self, guest: RuntimeGuest) -> None:
        for user in ("root", "admin"):
            done = guest.lab.exec(f"guest:{guest.vm}", [DOCKER, "ps"], user=user)
            assert done.returncode == 125
            assert "only claw may" in done.stderr

    def test_sudo_lets_it_be_an_agent_for_nothing_else(self, guest: RuntimeGuest) -> None:
        for user, command in (("claw-agent", "/usr/bin/id"), ("root", f"{PYTHON} {DOCKER} ps"),
                              ("claw-agent", f"{PYTHON} {DOCKER} run"),
                              ("admin", f"{PYTHON} {DOCKER} __agent x")):  # fmt: skip
            done = guest.lab.exec(
                f"guest:{guest.vm}", ["/bin/sh", "-c", f"sudo -n -u {user} {command}"], user="claw"
            )
            assert (done.returncode, "password is required" in done.stderr) == (1, True)

    def test_an_agents_verb_is_for_its_own_run(self, guest: RuntimeGuest) -> None:
        with guest.running("hi", folder="main", main=True) as agent:
            agent.answer()
            for user in ("claw-agent-1", "claw-agent-2"):
                for verb in ("__agent", "__signal", "__end"):
                    last = {"__agent": "", "__signal": "KILL", "__end": "all"}[verb]
                    script = (
                        f"sudo -n -u {user} {PYTHON} {DOCKER} {verb} {agent.name} {last}"
                    )
                    done = guest.lab.exec(
                        f"guest:{guest.vm}", ["/bin/sh", "-c", script], user="claw"
                    )
                    assert done.returncode == 125, (script, done.stderr)
            script = f"sudo -n -u claw-agent {PYTHON} {DOCKER} __agent ../../etc"
            done = guest.lab.exec(f"guest:{guest.vm}", ["/bin/sh", "-c", script], user="claw")
            assert "no container can be called so" in done.stderr
            assert guest.names() == [agent.name]

    def test_without_sudo_nothing_runs_and_nothing_is_forgotten(self, guest: RuntimeGuest) -> None:
        guest.sh("mv /private/etc/sudoers.d/clawkeep-agents /private/etc/withheld")
        try:
            with guest.running("hi") as agent:
                assert agent.wait() == 125
            assert b"sudo: a password is required" in agent.stderr
            assert agent.name in guest.names()
        finally:
            guest.sh("mv /private/etc/withheld /private/etc/sudoers.d/clawkeep-agents")
        assert guest.names() == []

    def test_a_runner_that_was_changed_does_not_run(self, guest: RuntimeGuest) -> None:
        index = f"{RELEASE}/agent/dist/index.js"
        guest.sh(f"cp -p {index} /tmp/kept && echo '// x' >> {index}")
        with guest.running("hi") as agent:
            assert agent.wait() == 125
        assert b"changed since it was built: dist/index.js" in agent.stderr
        guest.sh(f"cat /tmp/kept > {index}")
        with guest.running("hi") as agent:
            assert agent.answer() == "2 bytes: hi"
        guest.sh(f"chmod g+w {index}")
        with guest.running("hi") as agent:
            assert agent.wait() == 125
        assert b"others may write it" in agent.stderr
        guest.sh(f"chmod g-w {index}")


class TestWords:
    def test_it_answers_as_docker(self, guest: RuntimeGuest) -> None:
        assert "Server Version" in guest.docker("info").stdout
        assert guest.docker("version", "--format", "{{.Server.Version}}").stdout.strip() != ""
        with guest.running("hi") as agent:
            agent.answer()
            assert agent.name in guest.docker("ps").stdout
            assert guest.docker("ps", "-aq").returncode == 125
            assert guest.docker("ps", "-a", "-q", "--filter", "name=xyz").stdout == ""
            (row,) = guest.docker("container", "ls", "--format", "json").stdout.splitlines()
            seen = json.loads(row)
            assert (seen["Names"], seen["State"]) == (agent.name, "running")
            assert (
                guest.docker("inspect", "-f", "{{.State.Running}}", agent.name).stdout == "true\n"
            )
            (found,) = json.loads(guest.docker("inspect", agent.name).stdout)
            assert found["State"]["Pid"] == seen["AgentPid"]
            again = guest.start(guest.arguments("family", name=agent.name), b"{}")
            assert again.wait() == 125
            assert b"already in use" in again.stderr
            assert guest.docker("rm", agent.name).returncode == 1

    def test_it_answers_as_apples_container(self, guest: RuntimeGuest) -> None:
        container = "/usr/local/clawkeep/bin/container"
        assert guest.docker("system", "status", program=container).returncode == 0
        assert guest.docker("system", "start", program=container).returncode == 0
        guest.group("family")
        words = guest.arguments("family")
        place = f"{RELEASE}/data/sessions/family/agent-runner-src"
        at = words.index(f"{place}:/app/src")
        words[at - 1 : at + 1] = [
            "--mount", f"type=bind,source={place},target=/app/src,readonly"
        ]  # fmt: skip
        agent = guest.start(words, Request("hi", "family", "j").encode("v1.0"), program=container)
        assert agent.answer() == "2 bytes: hi"
        listed = guest.docker("ls", "--format", "json", program=container)
        assert json.loads(listed.stdout) == [
            {"status": "running", "configuration": {"id": agent.name}}
        ]
        assert agent.name in guest.docker("list", program=container).stdout
        assert guest.docker("stop", agent.name, program=container).returncode == 0
        assert agent.wait() == 143
        refused = guest.docker("build", ".", program=container)
        assert (refused.returncode, refused.stderr.split(":")[0]) == (64, "container")

    @pytest.mark.parametrize(
        ("words", "status", "why"),
        [
            (("build", "."), 125, "no command of the direct runtime"),
            ((), 125, "no command of the direct runtime"),
            (("stop", "nanoclaw-absent"), 1, "No such container: nanoclaw-absent"),
            (("stop", "../x"), 1, "no container can be called so"),
            (("stop",), 1, "one name is needed"),
            (("kill", "-s", "STOP", "x"), 1, "invalid signal"),
            (("ps", "--filter", "label=x"), 1, "invalid filter"),
            (("ps", "--format", "{{range .}}"), 0, ""),
            (("inspect", "absent"), 1, "No such object"),
            (("system", "prune"), 125, "no command"),
            (("__agent",), 125, "not for people"),
            (("run", "--privileged", "x"), 125, "unknown flag: --privileged"),
        ],
    )
    def test_what_it_cannot_do_it_says(
        self, guest: RuntimeGuest, words: tuple[str, ...], status: int, why: str
    ) -> None:
        done = guest.docker(*words)
        assert (done.returncode, why in done.stderr) == (status, True), done
