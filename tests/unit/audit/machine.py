"""An operator's machine whose schedulers are small programs that behave as the real ones do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CRONTAB = """#!/bin/sh
# cron 3.0: `-l` of nobody's fails, `-` reads stdin and refuses a line that is none.
case "$1" in
-l) [ ! -e "$BOX/denied" ] || { echo "must be privileged to use -l" >&2; exit 1; }
    [ -e "$BOX/crontab" ] || { echo "no crontab for me" >&2; exit 1; }; cat "$BOX/crontab" ;;
-) cat > "$BOX/new"
   grep -vE '^(#|$|([0-9*/,-]+ ){5})' "$BOX/new" >&2 && {
     echo '"-":0: bad minute; errors in crontab file, can'"'"'t install.' >&2; exit 1; }
   mv "$BOX/new" "$BOX/crontab" ;;
*) exit 1 ;;
esac
"""
SYSTEMCTL = """#!/bin/sh
# A user's manager: a unit is known after daemon-reload, and a timer runs until it is stopped.
[ "$1" = --user ] || exit 1
[ ! -e "$BOX/no-bus" ] || { echo "Failed to connect to bus: No medium found" >&2; exit 1; }
shift; units="$HOME/.config/systemd/user"; echo "$*" >> "$BOX/systemctl"
case "$1 $2" in
"show-environment "*) echo "HOME=$HOME"; echo "SSH_AUTH_SOCK=/run/user/501/agent" ;;
"daemon-reload "*) cp "$units"/*.timer "$BOX/" 2>/dev/null; true ;;
"enable "*|"restart "*) [ -e "$BOX/$2" ] || { echo "Unit $2 not found." >&2; exit 5; }
   [ "$1" = enable ] || touch "$BOX/$2.active" ;;
"is-active "*) [ -e "$BOX/$2.active" ] || exit 3 ;;
"disable --now") rm -f "$BOX/$3.active" ;;
*) exit 1 ;;
esac
"""
LAUNCHCTL = """#!/bin/sh
# A second bootstrap of a label is refused (5), a print or bootout of one that is none too.
label=${2##*/}
case "$1" in
print) [ -e "$BOX/loaded-$label" ] || { echo "Could not find service" >&2; exit 113; } ;;
bootstrap) label=$(basename "$3" .plist)
  [ ! -e "$BOX/loaded-$label" ] || { echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; }
  cp "$3" "$BOX/loaded-$label" ;;
bootout) rm "$BOX/loaded-$label" 2>/dev/null || { echo "No such process" >&2; exit 3; } ;;
esac
"""
PROGRAMS = {"crontab": CRONTAB, "systemctl": SYSTEMCTL, "launchctl": LAUNCHCTL}


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch, *programs: str) -> Path:
    """Make a machine with these programs and no other scheduler; return where they note things."""
    box = folder / "box"
    for path in (box, folder / "home", folder / "bin"):
        path.mkdir()
    for name in ("crontab", "systemctl", "launchctl"):
        text = PROGRAMS[name] if name in programs else "#!/bin/sh\nexit 127\n"
        if name in programs or name == "systemctl":
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("BOX", str(box))
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    return box
