"""The host's whisper: what the guest may ask of it, and all that it may not."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from clawkeep.onhost import vet, whisper
from clawkeep.policy import ON_THE_HOST, WHISPER_AT, Door

Ask = Callable[..., tuple[int, str]]
CLI = """#!/bin/sh
# Tells what it was given; the sound says what to do.
sound=$(cat)
case $sound in
  slow*) sleep 3;;
  noise) echo "error: failed to read audio file '-'" >&2; exit 0;;
  crash) echo "ggml_abort" >&2; kill -ABRT $$;;
esac
echo " heard $sound with $*; $(env | sort | tr '\\n' ' ')"
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / hashlib.sha256(b"lmgg").hexdigest()
    path.write_bytes(b"lmgg")
    return path


@pytest.fixture
def ask(tmp_path: Path, model: Path) -> Iterator[Ask]:
    """Ask a server whose whisper-cli is a script."""
    cli = tmp_path / "whisper-cli"
    cli.write_text(CLI)
    cli.chmod(0o755)
    server = whisper.Server(whisper.Whisper(model, str(cli), compute_s=1), ("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def form(method: str = "POST", path: str = "/inference", **form: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        parts = [
            f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
            for name, text in form.items()
        ]
        head = {"Content-Type": "multipart/form-data; boundary=xx"}
        connection.request(method, path, "".join(parts) + "--xx--\r\n", head)
        response = connection.getresponse()
        return response.status, response.read().decode()

    form.address = server.server_address  # type: ignore[attr-defined]
    yield form
    server.shutdown()
    server.server_close()


def test_a_sound_goes_through_a_pipe_and_comes_back_as_words(ask: Ask, model: Path) -> None:
    status, text = ask(file="a; touch /tmp/x", language="de")
    said = json.loads(text)["text"]
    assert status == 200
    assert said.startswith(
        f"heard a; touch /tmp/x with -m {model} -f - -nt -np -l de; HOME=/var/empty"
    )
    assert ask(file="b", response_format="text")[1].startswith("heard b with")


def test_health_and_the_root_answer(ask: Ask) -> None:
    assert ask("GET", "/health") == (200, '{"status": "ok"}')
    assert ask("GET", "/")[0] == 200


@pytest.mark.parametrize(
    ("path", "form", "status", "why"),
    [
        ("/load", {"model": "/etc/passwd"}, 404, "there is /inference and /health"),
        ("/inference", {}, 400, "no 'file' field"),
        ("/inference", {"file": "a", "language": "-h"}, 400, "language is auto"),
        ("/inference", {"file": "a", "response_format": "srt"}, 400, "response_format is one of"),
        ("/inference", {"file": "noise"}, 400, "failed to read audio data"),
        ("/inference", {"file": "crash"}, 500, "whisper-cli ended with -6: ggml_abort"),
        ("/inference", {"file": "slow"}, 504, "not done in 1 s"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    ask: Ask, path: str, form: dict[str, str], status: int, why: str
) -> None:
    answered, text = ask(path=path, **form)
    assert answered == status
    assert why in json.loads(text)["error"]
    assert ask(file="after")[0] == 200


def test_only_a_few_sounds_are_held_at_a_time(ask: Ask) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(ask(file="slow")[0]))
        for _ in range(whisper.AT_ONCE + 3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count(503) == 3


@pytest.mark.parametrize(
    ("length", "status"),
    [("99999999999", b"413"), ("-1", b"411"), ("1e3", b"411"), ("", b"411")],
)
def test_a_body_without_a_decent_length_is_not_read(ask: Ask, length: str, status: bytes) -> None:
    with socket.create_connection(ask.address[:2], timeout=10) as connection:  # type: ignore[attr-defined]
        connection.sendall(b"POST /inference HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n"
                           % length.encode())  # fmt: skip
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.split()[1] == status


def test_a_model_with_a_flipped_bit_is_not_served(model: Path) -> None:
    assert whisper.Whisper(model).damage() is None
    model.write_bytes(b"lmgf")
    assert "has the SHA-256" in str(whisper.Whisper(model).damage())
    assert whisper.main([str(model)]) == 1
    assert "No such file" in str(whisper.Whisper(model.with_name("none")).damage())


def test_a_declared_door_may_lead_to_it_and_to_nothing_else_of_the_host() -> None:
    assert vet.door(Door("whisper", 18178, *WHISPER_AT, kind="http")) is not None
    for host, port in [("127.0.0.1", 22), ("127.0.0.2", WHISPER_AT[1]), ("localhost", 8178)]:
        with pytest.raises(vet.UnfitError):
            vet.door(Door("whisper", 18178, host, port, kind="http"))
    # Nor may a grant lead there, however it was written.
    with pytest.raises(vet.UnfitError, match="loopback"):
        vet.target(f"{WHISPER_AT[0]}:{WHISPER_AT[1]}")
    with pytest.raises(vet.UnfitError, match="loopback"):
        vet.door(Door("whisper", 18178, *WHISPER_AT, kind="http", until=2.0e9))
    assert {host for host, _ in ON_THE_HOST} == {"127.0.0.1"}
