"""A program for a bare Python in the guest, sent on stdin: some of our modules, and a question.

Standard library only: the host sends such programs, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

BEGIN = """\
import sys, types
def load(name, text):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
load("clawkeep", "")
"""


def program(modules: Sequence[str], question: Mapping[str, Any]) -> str:
    """Return a program in which `main` of the last of these modules answers `question`.

    Modules are named relative to this package, such as `agent.probe`, and may import those before
    them. All of it is ASCII, whatever the question contains.
    """
    packages = dict.fromkeys(name.rpartition(".")[0] for name in modules)
    parts = [BEGIN, *(f"load({f'clawkeep.{package}'!r}, '')\n" for package in packages)]
    for name in modules:
        package, _, module = name.rpartition(".")
        text = (resources.files(f"clawkeep.{package}") / f"{module}.py").read_text()
        parts.append(f"load({f'clawkeep.{name}'!r}, {text!a})\n")
    parts.append(f"sys.modules['clawkeep.{modules[-1]}'].main({json.dumps(question)!a})\n")
    return "".join(parts)
