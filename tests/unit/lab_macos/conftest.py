"""A scratch root in which the stand-ins believe they are on a Mac, as root."""

import os
from pathlib import Path

import pytest

from lab.mac.macos import paths

PASSWD = """\
root:x:0:0:System Administrator:/var/root:/bin/sh
admin:x:501:20:Managed via Tart:/Users/admin:/bin/zsh
"""
GROUP = """\
wheel:*:0:root
staff:*:20:root
admin:*:80:root,admin
com.apple.access_ssh:*:399:
"""
SHADOW = "root:*:20000:0:99999:7:::\nadmin:*:20000:0:99999:7:::\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    etc = tmp_path / "private/etc"
    etc.mkdir(parents=True)
    (etc / "passwd").write_text(PASSWD)
    (etc / "group").write_text(GROUP)
    (etc / "shadow").write_text(SHADOW)
    (tmp_path / "private/var/run").mkdir(parents=True)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "chown", lambda *_args, **_options: None)
    return tmp_path
