"""`docker` for the tests of the stand-in: runs the compiled agent-runner as a plain process.

Nothing of the product: just enough to see what the host asks for. Environment: DOCKER_STATE (where
it keeps runs and calls.jsonl), DOCKER_RUNNER (the agent-runner's folder, compiled).
Source of the idea: reference/nanoclaw.md §2.6.
"""

import itertools
import json
import os
import signal
import sys
from pathlib import Path

STATE = Path(os.environ["DOCKER_STATE"])
RUNNER = Path(os.environ["DOCKER_RUNNER"])


def main(words: list[str]) -> int:
    """Do one command."""
    with (STATE / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(words) + "\n")
    match words[0]:
        case "info":
            return 0
        case "ps":
            print("\n".join(file.stem for file in STATE.glob("*.pid") if _alive(file)))
            return 0
        case "stop":
            file = STATE / f"{words[-1]}.pid"
            if file.exists() and _alive(file):
                os.killpg(int(file.read_text()), signal.SIGTERM)
            return 0
        case "run":
            run(words[1:])
    return 125


def _alive(file: Path) -> bool:
    try:
        os.kill(int(file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def run(words: list[str]) -> None:
    """Become the agent-runner."""
    name = words[words.index("--name") + 1]
    root = STATE / name
    for folder in ("home", "extra", "dist"):
        (root / folder).mkdir(parents=True)
    for flag, mount in itertools.pairwise(words):
        if flag == "-v":
            source, target, *_ = mount.split(":")
            inside = target.replace("/workspace/", "").replace("/home/node/", "home/")
            if not inside.startswith("/") and not inside.startswith("project/"):
                (root / inside).symlink_to(source)
    for file in (RUNNER / "dist").glob("*.js"):
        text = file.read_text().replace("/home/node", f"{root}/home")
        (root / "dist" / file.name).write_text(text.replace("/workspace", str(root)))
    (root / "package.json").write_text('{"type": "module"}')
    (root / "node_modules").symlink_to(RUNNER / "node_modules")
    os.setsid()
    (STATE / f"{name}.new").write_text(str(os.getpid()))
    (STATE / f"{name}.new").rename(STATE / f"{name}.pid")
    keep = ("PATH", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    environment["HOME"] = f"{root}/home"
    os.chdir(root / "group")
    os.execvpe("node", ["node", f"{root}/dist/index.js"], environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
