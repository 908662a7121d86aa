"""What an agent of the direct runtime gets in a guest, what it cannot have, and how it ends."""

from __future__ import annotations

import json

import pytest

from roles.agent.program import PYTHON
from tests.lab.runtime_guest import AGENTS, DOCKER, RELEASE, ROOT, STATE, RuntimeGuest
from tests.lab.tart_host import wait_for

pytestmark = pytest.mark.lab


def test_it_answers_and_ends_when_it_is_asked_to(guest: RuntimeGuest) -> None:
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


def test_it_is_a_user_of_its_own_without_rights(guest: RuntimeGuest) -> None:
    seen = """eval: [os.userInfo().username, process.getuid() === process.geteuid(),
        process.getgroups(), process.umask(0o007), process.cwd(), process.stdin.isTTY ?? false,
        childProcess.execSync('ps -o pgid= -p ' + process.pid, {encoding: 'utf8'}).trim()
          === String(process.pid), childProcess.spawnSync('sudo', ['-n', 'true']).status]"""
    with guest.running(seen, folder="main", main=True) as agent:
        assert agent.value() == [
            "claw-agent", True, [600], 0o007, f"{STATE}/groups/main", False, True, 1
        ]  # fmt: skip


def test_its_environment_is_made_from_nothing(guest: RuntimeGuest) -> None:
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
        "PATH": "/opt/homebrew/opt/node@24/bin:/usr/local/clawkeep/bin:/opt/homebrew/bin:"
        "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": f"{run}/home",
        "TMPDIR": f"{run}/tmp",
        "CLAUDE_CODE_TMPDIR": f"{run}/tmp",
        "CLAUDE_TMPDIR": f"{run}/tmp",
        "LOGNAME": user,
        "LANG": "en_US.UTF-8",
        "TZ": "Europe/Berlin",
    }


@pytest.mark.parametrize(
    "prompt",
    ["$(touch /tmp/owned) `id`; id\n\n' \" \\ %s {{.Names}}", "nul \0 and \x1b[31m", "ä" * 70],
    ids=["shell", "control characters", "letters"],
)
def test_a_prompt_arrives_as_it_was(guest: RuntimeGuest, prompt: str) -> None:
    with guest.running(prompt) as agent:
        assert agent.answer() == f"{len(prompt.encode())} bytes: {prompt}"
    assert guest.sh("ls /tmp") == guest.sh("ls /tmp | grep -v owned")


def test_a_megabyte_goes_in_and_out(guest: RuntimeGuest) -> None:
    with guest.running("x" * 1_000_000) as agent:
        assert agent.answer().startswith("1000000 bytes: xxx")
    with guest.running("eval: 'y'.repeat(3_000_000)") as agent:
        assert agent.value() == "y" * 3_000_000


def test_it_reads_and_writes_its_own_and_nanoclaw_does_too(guest: RuntimeGuest) -> None:
    own = """eval: [fs.readFileSync('CLAUDE.md', 'utf8'),
        fs.readFileSync(run + '/group/CLAUDE.md', 'utf8') ===
          fs.readFileSync('CLAUDE.md', 'utf8'),
        fs.readFileSync(HOME + '/.claude/settings.json', 'utf8'),
        fs.mkdirSync('notes/deep', {recursive: true}) && fs.writeFileSync('notes/deep/a', '1'),
        fs.writeFileSync(HOME + '/.claude/b', '2'), fs.appendFileSync('CLAUDE.md', 'more'),
        fs.writeFileSync(os.tmpdir() + '/c', '3'), fs.writeFileSync(HOME + '/d', '4')]"""
    with guest.running(own) as agent:
        assert agent.value()[:3] == ["You are Andy.\n", True, "{}\n"]
    script = "cat groups/family/CLAUDE.md groups/family/notes/deep/a data/sessions/family/.claude/b"
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


def test_it_reads_nobody_elses(guest: RuntimeGuest) -> None:
    guest.group("main")
    guest.group("family")
    guest.sh("umask 077; mkdir -p ~/.config/nanoclaw", user="claw")
    for path in OTHERS:
        guest.sh(f"umask 077; touch {path}", user="claw")
    look = f"""eval: Object.fromEntries({json.dumps(OTHERS)}.map((path) => {{
        try {{ fs.readFileSync(path); return [path, 'read'] }} catch (e) {{ return [path, e.code] }}
    }}))"""
    with (
        guest.running("hi", folder="main", main=True) as other,
        guest.running(look) as agent,
    ):
        other.answer()
        assert agent.value() == dict.fromkeys(OTHERS, "EACCES")
        runs = f"{ROOT}/runs/{other.name}"
        listed = f"""eval: ['', '/home', '/ipc/input', '/run.json'].map((path) => {{
            try {{ fs.readdirSync('{runs}' + path) }} catch (e) {{ return e.code }} }})"""
        guest.tell("family", listed)
        assert agent.value(1) == ["EACCES"] * 4
    # The main group's agent can read what is its own, so the questions were good ones.
    with guest.running(look, folder="main", main=True) as agent:
        found = agent.value()
    assert [path for path, seen in found.items() if seen == "read"] == [
        f"{STATE}/groups/main/CLAUDE.md",
        f"{STATE}/groups/main/logs/own",
        f"{STATE}/data/sessions/main/.claude/settings.json",
    ]


def test_it_reads_nobody_elses_environment(guest: RuntimeGuest) -> None:
    look = """eval: (({ pids }) => pids.map((pid) => { try {
        return fs.readFileSync(`/proc/${pid}/environ`, 'utf8').includes('HOME=') ? 'read' : 'none'
    } catch (e) { return e.code } }))(JSON.parse(fs.readFileSync('pids.json', 'utf8')))"""
    with guest.running("hi", folder="main", main=True) as other, guest.running("hi") as agent:
        other.answer()
        agent.answer()
        rows = [
            json.loads(line)
            for line in guest.docker("ps", "--format", "json").stdout.split("\n")
            if line
        ]
        found = {row["Names"]: row for row in rows}
        pids = [found[agent.name]["AgentPid"], found[other.name]["AgentPid"],
                found[other.name]["Pid"], found[agent.name]["Pid"]]  # fmt: skip
        path = f"{STATE}/groups/family/pids.json"
        guest.put(path, json.dumps({"pids": pids}).encode(), "644", "claw")
        guest.tell("family", look)
        assert agent.value(1) == ["read", "EACCES", "EACCES", "EACCES"]


def test_what_it_plants_where_nanoclaw_writes_is_put_aside(guest: RuntimeGuest) -> None:
    guest.sh(f"umask 022; mkdir -p {RELEASE}/container/skills/status")
    guest.put(f"{STATE}/victim", b"", "600", "claw")
    claude = f"{STATE}/data/sessions/family/.claude"
    guest.group("family")
    guest.sh(f"umask 077; mkdir -p {claude}/skills/status {claude}/skills/own", user="claw")
    plant = f"""eval: [fs.renameSync('logs', 'other'), fs.mkdirSync('logs'),
        fs.symlinkSync('{STATE}/victim', 'logs/container-1.log'),
        fs.rmSync(HOME + '/.claude/settings.json'),
        fs.symlinkSync('{STATE}/victim', HOME + '/.claude/settings.json'),
        fs.symlinkSync('{STATE}/victim', HOME + '/.claude/skills/status/SKILL.md'),
        fs.symlinkSync('{STATE}/victim', HOME + '/.claude/skills/own/SKILL.md')].length"""
    with guest.running(plant) as agent:
        assert agent.value() == 7
        guest.close("family")
        assert agent.wait() == 0
    (aside,) = (line for line in guest.journal() if line["event"] == "put aside")
    assert aside["names"] == ["logs", "settings.json", "status"]
    # As NanoClaw does when the run has ended, and before the next.
    write = (
        f"umask 077; cd {STATE}; echo x > groups/family/logs/container-1.log;"
        f" echo x > {claude}/settings.json; mkdir -p {claude}/skills/status;"
        f" echo x > {claude}/skills/status/SKILL.md"
    )
    guest.sh(write, user="claw")
    assert guest.sh(f"cat {STATE}/victim") == ""
    # Its own skills are its own business, and it cannot write the logs: it owned them before.
    assert guest.sh(f"readlink {claude}/skills/own/SKILL.md") == f"{STATE}/victim"
    again = """eval: (() => { try { fs.writeFileSync('logs/x', '') } catch (e) { return [e.code,
        fs.readFileSync('logs/container-1.log', 'utf8')] } })()"""
    with guest.running(again) as agent:
        assert agent.value() == ["EACCES", "x\n"]
    guest.sh(f"rm -r {STATE}/groups/family {STATE}/data/sessions/family {RELEASE}/container")


def test_it_changes_neither_code_nor_others(guest: RuntimeGuest) -> None:
    guest.group("family")
    places = (RELEASE, f"{RELEASE}/agent/dist", f"{STATE}/groups/family", STATE, f"{ROOT}/runs",
              f"{STATE}/data/ipc/main/messages", "/usr/local/clawkeep/bin",
              "/etc/clawkeep")  # fmt: skip
    write = f"""eval: {json.dumps(places)}.map((folder) => {{
        try {{ fs.writeFileSync(folder + '/x', ''); return 'wrote' }} catch (e) {{ return e.code }}
    }}).concat([fs.writeFileSync('own', ''), fs.realpathSync(run + '/project')])"""
    with guest.running(write, folder="main", main=True) as agent:
        assert agent.value() == [*["EACCES"] * len(places), None, RELEASE]


def test_what_it_sends_arrives_as_nanoclaws_own_file(guest: RuntimeGuest) -> None:
    send = """eval: [fs.writeFileSync(run + '/ipc/messages/1-a.json.tmp', '{"text":"$(id)"}'),
        fs.renameSync(run + '/ipc/messages/1-a.json.tmp', run + '/ipc/messages/1-a.json'),
        fs.writeFileSync(run + '/ipc/tasks/2-b.json', '{}', {mode: 0o666})]"""
    ipc = f"{STATE}/data/ipc/family"
    with guest.running(send) as agent:
        agent.value()
        wait_for("a message", lambda: guest.sh(f"ls {ipc}/tasks") == "2-b.json")
        assert guest.sh(f"cat {ipc}/messages/1-a.json") == '{"text":"$(id)"}'
        assert guest.sh(f"stat -f '%Sp %Su' {ipc}/*/*-?.json") == "\n".join(["-rw------- claw"] * 2)
    guest.sh(f"rm {ipc}/*/*-?.json")


def test_it_can_plant_nothing_among_nanoclaws_files(guest: RuntimeGuest) -> None:
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


def test_stop_asks_first(guest: RuntimeGuest) -> None:
    asked = """eval: process.on('SIGTERM', () => { fs.writeSync(1, 'asked'); process.exit(5) })
        && null"""
    with guest.running(asked) as agent:
        agent.value()
        done = guest.docker("stop", agent.name)
        assert (done.returncode, done.stdout) == (0, agent.name + "\n")
        assert agent.wait() == 5
    assert agent.stdout.endswith(b"asked")


def test_a_killed_runtime_takes_its_agent_along(guest: RuntimeGuest) -> None:
    with guest.running("eval: childProcess.spawn('sleep', ['600']).pid") as agent:
        agent.value()
        supervisor = json.loads(guest.docker("ps", "--format", "json").stdout)["Pid"]
        guest.sh(f"kill -KILL {supervisor}")
        # NanoClaw waits until both pipes are closed.
        assert agent.wait(5) != 0
        wait_for("the end of the agent", lambda: guest.left() == [], 5)
    assert guest.journal()[-1]["event"] == "abandoned"


def test_what_nobody_ended_the_next_call_ends(guest: RuntimeGuest) -> None:
    with guest.running("eval: childProcess.spawn('sleep', ['600']).pid") as agent:
        agent.value()
        # The supervisor and the fork that watches over it, at the same moment.
        guest.sh(f"kill -KILL $(pgrep -u claw -f '[d]ocker run.*{agent.name}')")
        assert agent.wait(5) != 0
        assert [line for line in guest.left() if "sleep 600" in line]
        assert guest.names() == []
        assert guest.left() == []
    assert guest.journal()[-1]["event"] == "reaped"


def test_what_left_its_group_ends_with_it(guest: RuntimeGuest) -> None:
    escape = """eval: childProcess.spawn('sleep', ['601'], {detached: true, stdio: 'inherit'})
        .unref()"""
    with guest.running(escape) as agent:
        agent.value()
        wait_for("the sleeper", lambda: any("sleep 601" in line for line in guest.left()))
        guest.close("family")
        assert agent.wait() == 0
    assert guest.left() == []


def test_sudo_lets_it_be_an_agent_for_nothing_else(guest: RuntimeGuest) -> None:
    for user, command in (("claw-agent", "/usr/bin/id"), ("root", f"{PYTHON} {DOCKER} ps"),
                          ("claw-agent", f"{PYTHON} {DOCKER} run"),
                          ("admin", f"{PYTHON} {DOCKER} __agent x")):  # fmt: skip
        done = guest.lab.exec(
            f"guest:{guest.vm}", ["/bin/sh", "-c", f"sudo -n -u {user} {command}"], user="claw"
        )
        assert (done.returncode, "password is required" in done.stderr) == (1, True)
