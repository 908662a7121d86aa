"""The programs that formulae bring. Source: reference/macos.md §6, §7."""

import json
from pathlib import Path

import pytest

from lab.mac.brew.download import Failure
from lab.mac.brew.layout import Prefix
from lab.mac.brew.stand_ins import himalaya, remindctl, uv, whisper


def test_whisper_without_a_model_fails_as_whisper_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"RIFF")

    assert whisper.main(["whisper-cli", "-f", "a.wav"]) == 3
    assert "failed to open 'models/ggml-base.en.bin'" in capsys.readouterr().err


def test_whisper_refuses_a_file_that_is_no_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model.bin").write_text("<html>404</html>")
    (tmp_path / "a.wav").write_bytes(b"RIFF")

    words = ["whisper-cli", "-m", str(tmp_path / "model.bin"), "-f", str(tmp_path / "a.wav")]
    assert whisper.main(words) == 3
    assert "invalid model data (bad magic)" in capsys.readouterr().err


def test_whisper_never_pretends_to_transcribe(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"lmgg" + bytes(16))
    (tmp_path / "a.wav").write_bytes(b"RIFF")

    words = ["whisper-cli", "-m", str(tmp_path / "model.bin"), str(tmp_path / "a.wav")]
    assert whisper.main(words) == 10


def test_whisper_without_input_is_two() -> None:
    assert whisper.main(["whisper-cli", "-m", "x", "-f", "/nonexistent.wav"]) == 2
    assert whisper.main(["whisper-cli", "--help"]) == 0


def test_himalaya_is_a_version_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert himalaya.main(["himalaya", "--version"]) == 0
    assert capsys.readouterr().out.startswith("himalaya v2.")


def test_himalaya_lists_the_accounts_of_its_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[accounts.home]\ndefault = true\nemail = "a@example.org"\n')

    words = ["himalaya", "--config", str(config), "account", "list", "--output", "json"]
    assert himalaya.main(words) == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "home", "default": True}]


def test_himalaya_without_a_configuration_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("HIMALAYA_CONFIG", raising=False)

    assert himalaya.main(["himalaya", "account", "list"]) == 1
    assert "cannot read configuration" in capsys.readouterr().err


def test_remindctl_has_no_access_on_a_fresh_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert remindctl.main(["remindctl", "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["authorized"] is False
    assert remindctl.main(["remindctl", "authorize"]) == 1
    assert remindctl.main(["remindctl", "list"]) == 1
    assert remindctl.main(["remindctl", "--version"]) == 0


def test_uv_installs_a_python_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched: list[str] = []

    def fetch(_prefix: Prefix, urls: list[str]) -> list[Failure]:
        fetched.extend(urls)
        return []

    monkeypatch.setattr(uv, "fetch", fetch)
    words = ["uv", "python", "install", "--install-dir", str(tmp_path), "3.12"]

    assert uv.main(words) == 0
    python = tmp_path / "cpython-3.12.12-macos-aarch64-none/bin/python3.12"
    assert python.read_text() == '#!/bin/sh\nexec /System/Lab/python/bin/python3 "$@"\n'
    assert uv.main(words) == 0
    assert len(fetched) == 1
    assert "already installed" in capsys.readouterr().err


def test_uv_without_a_network_installs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = Failure("https://github.com/x", "curl: (6) Could not resolve host: github.com")
    monkeypatch.setattr(uv, "fetch", lambda _prefix, _urls: [failure])

    assert uv.main(["uv", "python", "install", "-i", str(tmp_path), "3.12"]) == 1
    assert list(tmp_path.iterdir()) == []
    assert "Could not resolve host: github.com" in capsys.readouterr().err


def test_uv_refuses_a_python_it_does_not_know(tmp_path: Path) -> None:
    assert uv.main(["uv", "python", "install", "-i", str(tmp_path), "2.7"]) == 1
    assert uv.main(["uv", "--version"]) == 0
