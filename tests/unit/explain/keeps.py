"""Random declarations, with texts that try to break out of whatever they are written into."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from clawkeep.model import Keep

HOSTILE = st.text(
    st.sampled_from("ab`\"'<>&#;|[]{}()\\*_~!$%-.,: é日😀\u0301/"), min_size=1, max_size=60
)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{2,20}[a-z0-9]", fullmatch=True)
PORTS = st.integers(10_000, 65_535)
LABEL = st.from_regex(r"[a-z][a-z0-9]{2,8}", fullmatch=True)
HOSTS = st.builds(lambda a, b: f"{a}.{b}.net", LABEL, LABEL) | st.builds(
    lambda a, b: f"10.{a}.{b}.7", st.integers(0, 255), st.integers(0, 255)
)


@st.composite
def services(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(NAMES, max_size=5, unique=True))
    ports = draw(st.lists(PORTS, min_size=len(names), max_size=len(names), unique=True))
    made: list[dict[str, Any]] = []
    for name, port in zip(names, ports, strict=True):
        kind = draw(st.sampled_from(["tls", "http", "ssh", "tcp"]))
        entry = {
            "name": name,
            "port": port,
            "target": f"{draw(HOSTS)}:{draw(st.integers(1, 65535))}",
            "kind": kind,
            "max_connections": draw(st.integers(1, 99)),
        }
        if draw(st.booleans()):
            entry["note"] = "".join(c for c in draw(HOSTILE) if c.isprintable())
        if draw(st.booleans()):
            entry["idle_timeout_s"] = draw(st.integers(0, 90_000))
        made.append(entry)
    return made


@st.composite
def mounts(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(NAMES, max_size=3, unique=True))
    made = []
    for number, name in enumerate(names):
        tail = "".join(c for c in draw(HOSTILE) if c.isprintable() and c not in ":/")
        path = f"/srv/{number}x{tail}"
        made.append({"name": name, "path": path, "read_only": draw(st.booleans())})
    return made


EGRESS = st.sampled_from(
    [
        {"mode": "none"},
        {"mode": "cidrs", "cidrs": ["140.82.112.0/20", "1.1.1.1"], "ports": [443, 22]},
        {"mode": "domains", "domains": [".example.org", "api.example.com"], "http": True},
        {
            "mode": "domains",
            "profiles": ["agent", "npm"],
            "report_until": "2026-11-22T12:00Z",
        },
    ]
)


AGENTS = st.sampled_from(
    [
        None,
        {"secrets": {"ANTHROPIC_API_KEY": "env:A_KEY"}},
        {
            "repository": "https://git.example/claw.git",
            "commit": "c" * 40,
            "users": 1,
            "skills": [
                {"branch": "skill/x", "commit": "d" * 40},
                {"branch": "y", "commit": "e" * 40, "repository": "https://git.example/y.git"},
            ],
            "secrets": {"ANTHROPIC_API_KEY": "env:A_KEY"},
        },
        {
            "profile": "v1.1",
            "skills": [{"path": ".claude/skills/add-x"}],
            "secrets": {"CLAUDE_CODE_OAUTH_TOKEN": "env:A_KEY", "MY_TOKEN": "env:B"},
            "own_keys": {"MY_TOKEN": "secret"},
            "groups_denied": ["family", "work"],
        },
    ]
)


@st.composite
def keeps(draw: st.DrawFn) -> Keep:
    values = {
        "services": draw(services()),
        "guest": {
            "name": draw(NAMES),
            "user": "someone",
            "mounts": draw(mounts()),
            "packages": ["node@22"],
        },
        "egress": draw(EGRESS),
        "agent": draw(AGENTS),
    }
    return Keep.model_validate(values)
