"""`himalaya`: version, help, and what its configuration lists.

Source: reference/macos.md §7 (2.x; its configuration format differs from 1.x).
"""

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

from ...calls import record

VERSION = "himalaya v2.1.0 +imap +smtp +maildir"
HELP = """\
CLI to manage emails

Usage: himalaya [OPTIONS] [COMMAND]

Commands:
  account   Manage accounts
  envelope  Manage envelopes
  folder    Manage folders
  message   Manage messages

Options:
  -c, --config <PATH>    Override the default configuration file path
  -o, --output <FORMAT>  Customize the output format [default: plain] [possible values: json, plain]
  -V, --version          Print version
"""


def main(argv: list[str]) -> int:
    """Return 0 for what it can show, 1 where the configuration or a mail server would be needed."""
    record(argv, mutates=False)
    words, options = _parse(argv[1:])
    if {"-V", "--version"} & options.keys():
        sys.stdout.write(f"{VERSION}\n")
        return 0
    if not words or {"-h", "--help"} & options.keys():
        sys.stdout.write(HELP)
        return 0
    path = _config_path(options)
    try:
        accounts = _accounts(path)
    except (OSError, tomllib.TOMLDecodeError) as problem:
        sys.stderr.write(f"Error: \n   0: cannot read configuration at {path}\n   1: {problem}\n")
        return 1
    if words[:2] == ["account", "list"]:
        _show(accounts, options)
        return 0
    sys.stderr.write("Error: \n   0: no mail server can be reached in this lab\n")
    return 1


def _parse(words: list[str]) -> tuple[list[str], dict[str, str]]:
    names, options, rest = [], {}, iter(words)
    for word in rest:
        if word in {"-c", "--config", "-o", "--output", "-a", "--account"}:
            options[word] = next(rest, "")
        elif word.startswith("-"):
            options[word.partition("=")[0]] = word.partition("=")[2]
        else:
            names.append(word)
    return names, options


def _config_path(options: dict[str, str]) -> Path:
    named = options.get("-c") or options.get("--config") or os.environ.get("HIMALAYA_CONFIG")
    if named:
        return Path(named)
    config = os.environ.get("XDG_CONFIG_HOME") or f"{os.environ.get('HOME', '')}/.config"
    return Path(config) / "himalaya" / "config.toml"


def _accounts(path: Path) -> list[dict[str, Any]]:
    content = tomllib.loads(path.read_text())
    accounts = content.get("accounts", {})
    return [
        {"name": name, "default": bool(account.get("default", False))}
        for name, account in accounts.items()
    ]


def _show(accounts: list[dict[str, Any]], options: dict[str, str]) -> None:
    if "json" in {options.get("-o"), options.get("--output")}:
        sys.stdout.write(json.dumps(accounts) + "\n")
        return
    sys.stdout.write("| NAME | DEFAULT |\n|------|---------|\n")
    for account in accounts:
        sys.stdout.write(f"| {account['name']} | {'yes' if account['default'] else ''} |\n")
