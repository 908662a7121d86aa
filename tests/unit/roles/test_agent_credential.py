"""The program that shows the model its credential: what is a refusal, and what says nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import resources

import pytest

from clawkeep.nanoclaw.env import Placement
from clawkeep.secrets import Secret
from roles.agent.secrets import STATE, Credential, credential

PROGRAM = (resources.files("roles.agent") / "guest" / "credential.py").read_text()
PLANTED = "hunter2-planted"


class Model(HTTPServer):
    """Answers everything in one way, and keeps what it was shown."""

    answer: tuple[int, bytes] = (200, b"{}")
    shown: list[dict[str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Model

    def do_GET(self) -> None:
        self.server.shown.append({name.lower(): value for name, value in self.headers.items()})
        status, body = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[Model]:
    server = Model(("127.0.0.1", 0), Handler)
    server.shown = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def shown(model: Model | None, name: str = "ANTHROPIC_API_KEY") -> tuple[int, str]:
    """Run the program against `model`, or against a port where nobody listens."""
    port = model.server_port if model else 9
    address = f"http://127.0.0.1:{port}/v1/models"
    text = PROGRAM.replace("https://api.anthropic.com/v1/models?limit=1", address)
    assert address in text
    text = text.replace("/etc/clawkeep/proxy.env", "/nowhere")
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"{text}\nmain(sys.stdin)"],
        input=json.dumps({"name": name, "value": PLANTED}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def error(words: str) -> bytes:
    return json.dumps({"type": "error", "error": {"message": words}}).encode()


def test_a_credential_that_is_not_known_is_refused_in_the_models_words(model: Model) -> None:
    model.answer = (401, error("invalid x-api-key"))
    status, said = shown(model)
    assert status == 1
    assert "the model does not take ANTHROPIC_API_KEY: 'invalid x-api-key'; nothing was" in said
    assert PLANTED not in said


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"{}"),
        (401, error("OAuth authentication is currently not supported.")),
        (401, b"<html>no JSON"),
        (401, error(f"invalid: {PLANTED}")),
        (403, error("invalid country")),
        (404, error("invalid path")),
        (529, error("Overloaded")),
    ],
)
def test_all_else_says_nothing_about_it(model: Model, answer: tuple[int, bytes]) -> None:
    model.answer = answer
    assert shown(model) == (0, "")


def test_a_model_that_is_not_reached_says_nothing_about_it() -> None:
    assert shown(None) == (0, "")


def test_each_kind_is_shown_as_the_model_wants_it(model: Model) -> None:
    shown(model)
    shown(model, "CLAUDE_CODE_OAUTH_TOKEN")
    key, token = model.shown
    assert key["x-api-key"] == PLANTED
    assert "authorization" not in key
    assert token["authorization"] == f"Bearer {PLANTED}"
    assert "x-api-key" not in token


def test_it_is_found_wherever_the_profile_has_it() -> None:
    secret = Secret(PLANTED)
    assert credential(Placement(credentials={"ANTHROPIC_API_KEY": secret})) == Credential(
        "ANTHROPIC_API_KEY", secret, f"{STATE}/credentials"
    )
    token = Placement(dotenv={"A": "b", "CLAUDE_CODE_OAUTH_TOKEN": secret})
    assert credential(token) == Credential("CLAUDE_CODE_OAUTH_TOKEN", secret, f"{STATE}/.env")
    assert credential(Placement()) is None
