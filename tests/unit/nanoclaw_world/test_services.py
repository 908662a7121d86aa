"""Claude, Discord and github.com as the lab's internet has them."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.services import claude, discord, github
from lab.services.claude import KEY, TOKEN
from tests.nanoclaw.repository import SLUG, Repository
from tests.unit.nanoclaw_world.program import NODE, Served, wait_for

Serve = Callable[..., Served]
BOT = """\
const socket = new WebSocket(process.argv[1]);
const send = (frame) => socket.send(JSON.stringify(frame));
socket.onmessage = ({data}) => {
  const {op, t, d} = JSON.parse(data);
  if (op === 10) send({op: 2, d: {token: process.argv[2]}});
  if (t === "READY") send({op: 1, d: null});
  console.log(JSON.stringify([op, t, t === "MESSAGE_CREATE" ? d.content : null]));
  if (t === "MESSAGE_CREATE") socket.close();
};
socket.onclose = ({code}) => { console.log(JSON.stringify(["close", code])); process.exit(0); };
"""


def ask(
    url: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as problem:
        return problem.code, json.load(problem)


def messages(text: str) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize("headers", [{"x-api-key": KEY}, {"Authorization": f"Bearer {TOKEN}"}])
def test_claude_answers_who_has_a_credential(serve: Serve, headers: dict[str, str]) -> None:
    site = serve(claude.answer)

    status, answer = ask(f"{site.url}/v1/messages", messages("hello"), headers)

    assert (status, answer["stop_reason"]) == (200, "end_turn")
    assert answer["content"] == [{"type": "text", "text": "You said: hello (turn 1)"}]
    assert site.visits()[-1]["credential"] == "valid"


@pytest.mark.parametrize(
    ("headers", "noted"), [({}, "none"), ({"x-api-key": "sk-ant-other"}, "invalid")]
)
def test_claude_refuses_everybody_else(serve: Serve, headers: dict[str, str], noted: str) -> None:
    site = serve(claude.answer)

    status, answer = ask(f"{site.url}/v1/messages", messages("hello"), headers)

    assert (status, answer["error"]["type"]) == (401, "authentication_error")
    assert (site.visits()[-1]["credential"], site.visits()[-1]["status"]) == (noted, 401)
    assert "sk-ant" not in json.dumps(site.visits())


def test_a_rotated_key_is_valid_at_once_and_the_old_one_is_not(serve: Serve) -> None:
    site = serve(claude.answer)
    claude.configure(site.folder, keys=("new",))

    assert ask(f"{site.url}/v1/messages", messages("x"), {"x-api-key": "new"})[0] == 200
    assert ask(f"{site.url}/v1/messages", messages("x"), {"x-api-key": KEY})[0] == 401


def test_an_overloaded_claude_says_529(serve: Serve) -> None:
    site = serve(claude.answer)
    claude.configure(site.folder, overloaded=True)

    status, answer = ask(f"{site.url}/v1/messages", messages("x"), {"x-api-key": KEY})

    assert (status, answer["error"]["type"]) == (529, "overloaded_error")


def test_the_model_obeys_and_repeats_what_a_tool_said() -> None:
    prompt = '<messages>\n<message sender="a">old</message>\n'
    prompt += '<message sender="a" time="t">!bash echo &lt;1&gt;</message>\n</messages>'
    said: list[dict[str, Any]] = [{"role": "user", "content": prompt}]
    call = claude.reply(said)[-1]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "<1>"}
    said += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]

    assert (call["name"], call["input"]) == ("Bash", {"command": "echo <1>"})
    assert claude.reply(said) == [{"type": "text", "text": "<1>"}]


@pytest.mark.parametrize("site", [claude.answer, github.answer, discord.answer])
def test_what_a_service_does_not_know_is_any_other_sites(serve: Serve, site: Any) -> None:
    with urllib.request.urlopen(serve(site).url + "/", timeout=10) as answer:
        assert answer.read() == b"any other site\n"


def test_discord_knows_its_bots(serve: Serve) -> None:
    site = serve(discord.answer)
    url = f"{site.url}/api/v10/gateway/bot"

    assert ask(url, headers={"Authorization": f"Bot {discord.TOKEN}"})[1]["url"] == discord.GATEWAY
    assert ask(url, headers={"Authorization": "Bot other"}) == (
        401,
        {"message": "401: Unauthorized", "code": 0},
    )


def bot(url: str, token: str) -> "subprocess.Popen[str]":
    address = url.replace("http", "ws", 1)
    words = [str(NODE), "-e", BOT, address, token]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_a_bot_is_welcomed_and_told_what_is_said(serve: Serve, scratch: Path) -> None:
    site = serve(discord.gateway)
    process = bot(site.url, discord.TOKEN)
    wait_for("the session", lambda: {"gateway": "ready"}.items() <= site.visits()[-1].items()
             if (site.folder / "visits.jsonl").stat().st_size else False)  # fmt: skip
    discord.say(site.folder, "42", "hello ☃")

    frames = [json.loads(line) for line in process.communicate(timeout=10)[0].splitlines()]

    assert frames[:2] == [[10, None, None], [0, "READY", None]]
    assert [11, None, None] in frames
    assert [0, "MESSAGE_CREATE", "hello ☃"] in frames
    wait_for("the end to be noted", lambda: site.visits()[-1].get("gateway") == "closed")


def test_a_bot_with_a_wrong_token_is_sent_away(serve: Serve, scratch: Path) -> None:
    process = bot(serve(discord.gateway).url, "other")

    assert process.communicate(timeout=10)[0].splitlines()[-1] == '["close", 4004]'.replace(" ", "")


def clone(site: Served, target: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = ["git", "clone", "--quiet", *words, f"{site.url}/{SLUG}.git", str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", ["0", "2"])
def test_git_clones_and_fetches_any_commit(
    serve: Serve, built: Repository, tmp_path: Path, version: str
) -> None:
    site = serve(github.answer)
    (site.folder / "git/qwibitai").mkdir(parents=True)
    (site.folder / f"git/{SLUG}.git").symlink_to(built.path)
    options = ["-c", f"protocol.version={version}"]

    assert clone(site, tmp_path / "c", *options, "--single-branch").returncode == 0
    wanted = built.commits["v1.1"]
    fetched = subprocess.run(["git", "-C", str(tmp_path / "c"), *options, "fetch", "--quiet",
                              "--depth=1", "origin", wanted], check=False)  # fmt: skip
    assert fetched.returncode == 0
    assert (tmp_path / "c/package.json").exists()


def test_nobody_pushes_to_github(serve: Serve, built: Repository) -> None:
    site = serve(github.answer)
    (site.folder / "git/qwibitai").mkdir(parents=True)
    (site.folder / f"git/{SLUG}.git").symlink_to(built.path)
    push = ["git", "-C", str(built.path), "push", "--quiet", f"{site.url}/{SLUG}.git", "main:x"]

    assert subprocess.run(push, capture_output=True, check=False).returncode != 0


def test_an_unknown_repository_cannot_be_cloned(serve: Serve, tmp_path: Path) -> None:
    assert clone(serve(github.answer), tmp_path / "c").returncode != 0
