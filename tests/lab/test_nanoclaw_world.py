"""A NanoClaw is cloned, installed and built in a guest, and finds its Claude and its Discord."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.lab import Lab
from lab.services import claude, discord
from tests.lab.tart_host import Running, TartHost, wait_for
from tests.nanoclaw import repository

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NODE = "/opt/homebrew/opt/node@22/bin"
HOME = "/Users/admin"
CHECKOUT = f"{HOME}/nanoclaw"
RUNS = f"{HOME}/run"
INSTALL = f"""
set -e
brew list node@22 >/dev/null 2>&1 || brew install node@22
git clone --quiet {repository.URL} {CHECKOUT}
cd {CHECKOUT}
git checkout --quiet --detach COMMIT
npm ci && npm run build
cd container/agent-runner
npm ci && npm run build
"""
OPEN = "console.log(new (require('better-sqlite3'))(':memory:').prepare('select 6*7 as x').get())"
# There is no `timeout` on a Mac.
PROGRAM = "perl -e 'alarm 5; exec @ARGV' node dist/index.js"
# A docker that is there and runs nothing.
DOCKER = (
    f"mkdir -p {HOME}/bin; printf '#!/bin/sh\\n' > {HOME}/bin/docker; chmod +x {HOME}/bin/docker"
)
RUNNER = f"""
mkdir -p {RUNS}/group {RUNS}/ipc/input {RUNS}/home/.claude {RUNS}/dist; cd {RUNS}
for file in {CHECKOUT}/container/agent-runner/dist/*.js; do
  sed 's,/workspace,{RUNS},; s,/home/node,{RUNS}/home,' $file > dist/${{file##*/}}
done
echo '{{"type": "module"}}' > package.json
ln -sfn {CHECKOUT}/container/agent-runner/node_modules node_modules
(sleep 3; touch ipc/input/_close) &
HOME={RUNS}/home node dist/index.js
"""
# A proxy that only knows CONNECT, and notes where to.
PROXY = """\
import socket, threading
def pump(a, b):
    while data := a.recv(65536): b.sendall(data)
    b.shutdown(socket.SHUT_WR)
def serve(client):
    host, port = client.recv(65536).split()[1].decode().split(":")
    print(host, flush=True)
    server = socket.create_connection((host, int(port)))
    client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)
listening = socket.create_server(("127.0.0.1", 3128))
while True: threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""


def admin(vm: Running, script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script as the guest's admin, with Homebrew and Node on its PATH."""
    path = f"{HOME}/bin:{NODE}:/opt/homebrew/bin:/usr/bin:/bin:/usr/sbin:/sbin"
    words = ["/bin/sh", "-c", f"export PATH={path}; cd; {script}"]
    return vm.guest(*words, user="admin")


def outputs(text: str) -> list[dict[str, str]]:
    """Return what an agent said between its markers."""
    pieces = text.split("---NANOCLAW_OUTPUT_START---")[1:]
    return [json.loads(piece.partition("---NANOCLAW_OUTPUT_END---")[0]) for piece in pieces]


@pytest.fixture(scope="module")
def vm(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A guest on plain NAT, with the stand-in cloned, installed and built."""
    built = repository.build(Path(tmp_path_factory.mktemp("git"), "nanoclaw.git"))
    built.publish(lab)
    host = TartHost.on(lab)
    host.clone("v")
    with host.running("v") as running:
        wait_for("the agent", lambda: host.tart("exec v true").returncode == 0)
        script = INSTALL.replace("COMMIT", built.commits["skill/discord"])
        done = admin(running, script)
        assert done.returncode == 0, done.stdout + done.stderr
        admin(running, DOCKER)
        yield running


def test_npm_ci_brings_a_database_that_opens(vm: Running, lab: Lab) -> None:
    assert admin(vm, f'cd {CHECKOUT}; node -p "process.versions.modules"').stdout == "127\n"
    assert admin(vm, f'cd {CHECKOUT}; node -e "{OPEN}"').stdout == "{ x: 42 }\n"
    # As on a Mac: compiled by its authors, fetched from its release by way of a redirect.
    hosts = [visit.get("host") for visit in lab.visits() if visit.get("status") in {200, 302}]
    assert "release-assets.githubusercontent.com" in hosts
    assert "npm.lab.internet" in [visit.get("host") for visit in lab.visits()]


def test_discord_is_connected_and_answers_go_there(vm: Running, lab: Lab) -> None:
    script = f"cd {CHECKOUT}; echo DISCORD_BOT_TOKEN={discord.TOKEN} > .env; rm -rf store"
    done = admin(vm, f"{script}; {PROGRAM}")

    assert "Discord bot connected" in done.stdout
    assert "NanoClaw running" in done.stdout
    states = [visit["gateway"] for visit in lab.visits() if "gateway" in visit]
    assert states == ["ready", "closed"]


def test_a_wrong_token_ends_it_with_0_and_no_banner(vm: Running) -> None:
    done = admin(vm, f"cd {CHECKOUT}; echo DISCORD_BOT_TOKEN=bogus > .env; {PROGRAM}")

    assert done.returncode == 0
    assert "An invalid token was provided." in done.stderr
    assert "NanoClaw running" not in done.stdout


def test_a_proxy_is_used_when_node_is_told(vm: Running, lab: Lab) -> None:
    """Claude Code does so by itself, the rest of Node only with NODE_USE_ENV_PROXY."""
    start = (
        f"printf '%s' '{PROXY}' > proxy.py; python3 proxy.py > hosts.txt 2>&1 & proxy=$!; sleep 1"
    )
    told = "export https_proxy=http://127.0.0.1:3128 NODE_USE_ENV_PROXY=1"
    program = f"echo DISCORD_BOT_TOKEN={discord.TOKEN} > .env; {PROGRAM}"
    agent = f'export ANTHROPIC_API_KEY={claude.KEY}; echo \'{{"prompt": "hi"}}\' | ({RUNNER})'
    done = admin(
        vm, f"{start}; {told}; (cd {CHECKOUT}; {program}); {agent}; kill $proxy; cat hosts.txt"
    )

    assert "Discord bot connected" in done.stdout
    assert "You said: hi (turn 1)" in done.stdout
    hosts = done.stdout.split()[-3:]
    assert hosts == ["discord.com", "gateway.discord.gg", "api.anthropic.com"]


def test_the_agent_asks_claude_with_its_key(vm: Running, lab: Lab) -> None:
    request = json.dumps({"prompt": "!bash id -un", "groupFolder": "main", "chatJid": "x"})
    right = admin(vm, f"export ANTHROPIC_API_KEY={claude.KEY}; echo '{request}' | ({RUNNER})")
    wrong = admin(vm, f"export ANTHROPIC_API_KEY=other; echo '{request}' | ({RUNNER})")

    assert outputs(right.stdout)[0]["result"] == "admin"
    assert outputs(wrong.stdout)[0]["result"] == "Invalid API key · Fix external API key"
    seen = [visit["credential"] for visit in lab.visits() if "credential" in visit]
    assert seen[-3:] == ["valid", "valid", "invalid"]
