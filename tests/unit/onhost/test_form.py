"""Forms: what a browser, curl or a hostile guest may send."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawkeep.onhost.form import MOST_FIELDS, FormError, fields

KIND = "multipart/form-data; boundary=xx"


def part(name: str, content: bytes) -> bytes:
    head = f'--xx\r\nContent-Disposition: form-data; name="{name}"; filename="a.wav"\r\n\r\n'
    return head.encode() + content + b"\r\n"


@given(st.binary().filter(lambda content: b"\r\n--xx" not in content))
def test_what_is_in_a_field_arrives_byte_by_byte(content: bytes) -> None:
    body = part("file", content) + part("language", b"de") + b"--xx--\r\n"
    assert fields(KIND, body) == {"file": content, "language": b"de"}


@given(st.text(), st.binary(max_size=200))
def test_anything_else_is_a_form_or_an_error(kind: str, body: bytes) -> None:
    for asked in (kind, KIND):
        for content in (body, b"--xx" + body, b"--xx\r\n" + body + b"\r\n--xx--"):
            with contextlib.suppress(FormError):
                fields(asked, content)


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("application/json", b"{}", "no multipart/form-data"),
        ("multipart/form-data", b"--xx--", "no multipart/form-data with a boundary"),
        (KIND, b"", "does not begin"),
        (KIND, part("file", b"x"), "has no end"),
        (KIND, b"--xx\r\n\r\nx\r\n--xx--", "no name"),
        (KIND, part("f", b"") * (MOST_FIELDS + 1) + b"--xx--", "more than 20 fields"),
    ],
)
def test_an_error_says_what_is_wrong(kind: str, body: bytes, why: str) -> None:
    with pytest.raises(FormError, match=why):
        fields(kind, body)


def test_the_first_of_two_fields_counts() -> None:
    body = part("file", b"1") + part("file", b"2") + b"--xx--"
    assert fields(KIND, body) == {"file": b"1"}


def test_curls_own_form_is_read(tmp_path: Path) -> None:
    seen: list[dict[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(fields(self.headers["Content-Type"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    sound = tmp_path / "a,b;type=x.wav"
    sound.write_bytes(bytes(range(256)) * 300)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        form = ("--form", "file=@-;filename=sound", "--form", "language=auto")
        url = f"http://127.0.0.1:{server.server_port}/"
        with sound.open("rb") as file:
            subprocess.run(["curl", "-sS", *form, url], stdin=file, check=True, timeout=20)
    assert seen == [{"file": sound.read_bytes(), "language": b"auto"}]
