"""The guest's own program: releases that are complete or not there at all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.small_nanoclaw import LOCK
from tests.unit.agent.conftest import Guest

OTHER_LOCK = {"package-lock.json": json.dumps(LOCK, indent=4)}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_release_is_the_commit_detached_and_built(guest: Guest) -> None:
    commit = guest.repository.commits["main"]
    name = guest.build()
    assert re.fullmatch(f"{commit[:12]}-[0-9a-f]{{8}}", name)
    release = guest.release(name)
    assert git(release, "rev-parse", "HEAD") == commit
    assert git(release, "branch", "--show-current") == ""
    assert (release / "dist" / "index.js").is_file()
    assert guest.releases() == {name}
    record = json.loads((release / "release.json").read_text())
    assert (record["commit"], record["head"], record["skills"]) == (commit, commit, [])
    assert record["node"] == {"path": str(guest.bin / "node"), "version": "22.1.0", "abi": "127"}


def test_the_agent_s_program_names_no_folder_of_a_container(guest: Guest) -> None:
    agent = guest.release(guest.build()) / "agent"
    assert "/workspace" not in (agent / "dist" / "index.js").read_text()
    assert (agent / "SHA256").read_text().split()[1::2] == ["dist/index.js", "package.json"]


def test_what_outlives_a_release_is_outside_of_it(guest: Guest) -> None:
    release = guest.release(guest.build())
    for name in ("store", "data", "groups", "logs", ".env"):
        assert os.readlink(release / name) == f"../../state/{name}"
    state = guest.root / "state"
    modes = {name: (state / name).stat().st_mode & 0o777 for name in ("store", "data", "logs")}
    assert modes == {"store": 0o700, "data": 0o711, "logs": 0o700}
    assert state.stat().st_mode & 0o777 == 0o711
    # As NanoClaw finds it: through the release.
    assert (release / "groups" / "main" / "CLAUDE.md").read_text().startswith("# The main group")


def test_a_release_never_overwrites_what_agents_wrote(guest: Guest) -> None:
    guest.build()
    memory = guest.root / "state" / "groups" / "main" / "CLAUDE.md"
    memory.write_text("what was learnt")
    guest.repository.commit("next", {"groups/main/CLAUDE.md": "new seeds\n", "src/a.js": "1\n"})
    guest.build("next")
    assert memory.read_text() == "what was learnt"


def test_the_same_again_costs_nothing(guest: Guest) -> None:
    name = guest.build()
    assert guest.calls() != []
    assert guest.build() == name
    assert guest.calls() == []


def test_dependencies_are_installed_only_for_another_lock_or_another_node(guest: Guest) -> None:
    first = guest.build()
    assert [call for call in guest.calls() if call.startswith("ci ")] != []
    guest.repository.commit("next", {"src/a.js": "1\n"})
    guest.repository.commit("locked", OTHER_LOCK)
    assert guest.build("next") != first
    assert [call for call in guest.calls() if call.startswith("ci ")] == []
    guest.build("locked")
    installed = [call for call in guest.calls() if call.startswith("ci ")]
    assert len(installed) == 1
    assert installed[0].endswith("-building.new")
    (guest.bin / "abi").write_text("131")
    assert guest.build() != first
    assert len([call for call in guest.calls() if call.startswith("ci ")]) == 2


def test_npm_s_word_is_not_taken_for_an_addon_that_opens_a_database(guest: Guest) -> None:
    (guest.bin / "unfit").touch()
    name = guest.build()
    assert "rebuild better-sqlite3 in" in " ".join(guest.calls())
    # Copied, it does not fit either; then all is installed anew.
    (guest.bin / "unfit").unlink()
    (guest.release(name) / "node_modules" / "better-sqlite3" / ".unfit").touch()
    guest.repository.commit("next", {"src/a.js": "1\n"})
    guest.build("next")
    assert len([call for call in guest.calls() if call.startswith("ci ")]) == 1


def test_the_build_gets_the_registry_and_the_proxy_and_nothing_of_ours(guest: Guest) -> None:
    guest.build()
    text = (guest.bin / "environment").read_text()
    variables = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert variables["npm_config_registry"] == "https://npm.example/"
    assert variables["https_proxy"] == variables["HTTPS_PROXY"] == guest.proxy.url
    assert variables["HOME"] == str(guest.root / "cache" / "home")
    assert variables["PATH"].split(":")[0] == str(guest.bin)
    assert "SECRET" not in variables


# --- what is refused


def test_nanoclaw_2_is_refused_before_anything_of_it_runs(guest: Guest) -> None:
    manifest = json.dumps({"name": "nanoclaw", "version": "2.0.64"})
    guest.repository.commit("v2", {"package.json": manifest, "pnpm-lock.yaml": "\n"})
    said = guest.fails("v2")
    assert "this is NanoClaw 2.0.64: it needs pnpm and bun" in said
    assert guest.calls() == []
    assert guest.releases() == set()


def test_another_generation_than_declared_is_refused(guest: Guest) -> None:
    said = guest.fails(profile="v1.1")
    assert "is NanoClaw 1.2.52, which needs profile 'v1.2'; declared is 'v1.1'" in said
    assert guest.calls() == []


def test_a_commit_that_is_nowhere_is_said_with_its_repository(guest: Guest) -> None:
    commit = "0123456789" * 4
    said = guest.fails(commit)
    assert f"{guest.repository.folder} has no commit {commit}" in said


def test_another_node_than_declared_is_refused(guest: Guest) -> None:
    assert "is 22.1.0; expected 20" in guest.fails(node_major=20)


def test_what_somebody_changed_is_seen_and_not_built_over(guest: Guest) -> None:
    name = guest.build()
    guest.activate(name)
    assert guest.status()["dirty"] == []
    source = guest.release(name) / "src" / "index.js"
    text = source.read_text()
    source.write_text(f"{text}// mended at night\n")
    assert guest.status()["dirty"] == [" M src/index.js"]
    assert f"release {name} was changed since it was built:  M src/index.js" in guest.fails()
    source.write_text(text)
    assert guest.status()["dirty"] == []
    program = guest.release(name) / "dist" / "index.js"
    program.write_text(f"{program.read_text()}// mended at night\n")
    assert guest.status()["dirty"] == ["dist is not what was built"]
    git(guest.release(name), "checkout", "--quiet", "--detach", "HEAD")
    assert "dist is not what was built" in guest.fails()


# --- skills


def test_a_skill_is_merged_at_its_commit_and_recorded(guest: Guest) -> None:
    first = guest.build()
    skill = guest.repository.commit("skill/hello", {"src/hello.js": "export {};\n"})
    skills = [{"branch": "skill/hello", "commit": skill}]
    name = guest.build(skills=skills)
    assert name != first
    assert (guest.release(name) / "dist" / "hello.js").is_file()
    record = json.loads((guest.release(name) / "release.json").read_text())
    assert record["skills"] == skills
    assert record["head"] != record["commit"] == guest.repository.commits["main"]
    guest.activate(name)
    assert guest.status()["dirty"] == []


def test_equal_skills_make_equal_commits(guest: Guest) -> None:
    skill = guest.repository.commit("skill/hello", {"src/hello.js": "export {};\n"})
    guest.repository.commit("next", {"src/a.js": "1\n"})
    heads = []
    for number in range(2):
        guest.root.rename(guest.folder / f"before-{number}")
        guest.root.mkdir()
        name = guest.build("next", skills=[{"branch": "skill/hello", "commit": skill}])
        heads.append((name, git(guest.release(name), "rev-parse", "HEAD")))
        time.sleep(1.1)
    assert heads[0] == heads[1]


def test_of_two_locks_the_skill_s_is_taken(guest: Guest) -> None:
    skill = guest.repository.commit("skill/x", {"package-lock.json": json.dumps(LOCK, indent=3)})
    guest.repository.commit("next", OTHER_LOCK)
    name = guest.build("next", skills=[{"branch": "skill/x", "commit": skill}])
    text = (guest.release(name) / "package-lock.json").read_text()
    assert text == json.dumps(LOCK, indent=3)


def test_a_skill_that_does_not_fit_is_refused_with_the_files(guest: Guest) -> None:
    skill = guest.repository.commit("skill/x", {"src/index.js": "one\n"})
    guest.repository.commit("next", {"src/index.js": "another\n"})
    said = guest.fails("next", skills=[{"branch": "skill/x", "commit": skill}])
    assert f"skill skill/x: {skill} does not merge, both sides changed src/index.js" in said
    assert guest.releases() == set()


# --- sources


def test_addresses_are_rewritten_and_ssh_is_none(guest: Guest) -> None:
    folder = guest.repository.folder
    address = "ssh://git@github.com/nanoclaw.git"
    guest.build(repository=address, git_rewrites={address: str(folder)})
    again = guest.repository.commit("next", {"src/a.js": "1\n"})
    said = guest.fails(again, repository=address)
    assert "transport 'ssh' not allowed" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_mirror_may_belong_to_somebody_else(guest: Guest) -> None:
    subprocess.run(["chown", "-R", "nobody", str(guest.repository.folder)], check=True)
    assert guest.build()


# --- failures


@pytest.mark.parametrize(
    ("fault", "changes", "step", "words"),
    [
        ("fails-ci", {}, "install: `npm ci", "npm error code EciFAILED"),
        ("", {"src/index.js": "// TYPE ERROR\n"}, "build: `npm run build` ended with 2", "TS1005"),
        ("", {"src/index.js": "UNPARSABLE\n"}, "build: `node --check", "SyntaxError"),
        ("hopeless", {}, "proof: `node -e", "NODE_MODULE_VERSION 115"),
        (
            "",
            {"container/agent-runner/src/index.js": "console.log('/home' + '/node');\n"},
            "agent: ",
            "looks like a part of one of the paths",
        ),
        ("", {"container/agent-runner/src/index.js": "const a = 1;\n"}, "agent: ", "/workspace"),
    ],
)
def test_a_failure_leaves_the_release_that_serves_and_says_step_command_and_last_words(
    guest: Guest, fault: str, changes: dict[str, str], step: str, words: str
) -> None:
    name = guest.build()
    guest.activate(name)
    serving = (guest.root / "current" / "dist" / "index.js").read_text()
    guest.repository.commit("next", {**OTHER_LOCK, "src/a.js": "1\n", **changes})
    if fault:
        (guest.bin / fault).touch()
    if fault == "hopeless":
        (guest.bin / "unfit").touch()
    said = guest.fails("next")
    assert step in said
    assert words in said
    assert guest.releases() == {name}
    assert guest.status()["active"]["id"] == name
    assert (guest.root / "current" / "dist" / "index.js").read_text() == serving


def test_a_killed_build_is_swept_away_by_the_next(guest: Guest) -> None:
    name = guest.build()
    guest.activate(name)
    guest.repository.commit("next", {"src/a.js": "1\n"})
    (guest.bin / "slow").touch()
    with guest.start("build") as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(guest.spec("next")))
        process.stdin.close()
        end = time.monotonic() + 20
        while not (guest.bin / "building").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
        # A second one does not come between.
        assert "another build is at work" in guest.fails("next")
        os.killpg(process.pid, signal.SIGKILL)
    os.kill(int((guest.bin / "building").read_text()), signal.SIGKILL)
    assert guest.status()["active"]["id"] == name
    assert len(guest.releases()) == 2
    (guest.bin / "slow").unlink()
    new = guest.build("next")
    assert guest.releases() == {name, new}


def test_the_last_three_are_kept_and_the_active_one_always(guest: Guest) -> None:
    active = guest.build()
    guest.activate(active)
    built = []
    for number in range(5):
        guest.repository.commit(f"c{number}", {"src/a.js": f"{number}\n"})
        time.sleep(1.1)
        built.append(guest.build(f"c{number}"))
    assert guest.releases() == {active, *built[-3:]}


# --- activation


def test_activation_is_a_step_of_its_own(guest: Guest) -> None:
    first = guest.build()
    assert guest.status()["active"] == {}
    guest.activate(first)
    guest.repository.commit("next", {"src/a.js": "1\n"})
    second = guest.build("next")
    assert guest.status()["active"]["id"] == first
    guest.activate(second)
    assert os.readlink(guest.root / "current") == f"releases/{second}"
    record = json.loads((guest.root / "state" / "release.json").read_text())
    assert (record["id"], record["path"]) == (second, str(guest.release(second)))
    assert record["activated_at"].endswith("Z")
    guest.activate(first)
    assert guest.status()["active"]["id"] == first


def test_only_a_complete_release_becomes_active(guest: Guest) -> None:
    name = guest.build()
    guest.activate(name)
    other = "0123456789ab-01234567"
    guest.release(other).mkdir()
    status, _, said = guest.run("activate", other)
    assert status == 1
    assert other in said
    assert guest.status()["active"]["id"] == name


def test_a_folder_with_another_mode_is_told_and_put_right(guest: Guest) -> None:
    guest.build()
    (guest.root / "state" / "store").chmod(0o755)
    assert guest.status()["folders"] == ["state/store"]
    guest.build()
    assert guest.status()["folders"] == []


def test_a_link_in_the_place_of_a_folder_is_refused(guest: Guest) -> None:
    elsewhere = guest.folder / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (guest.root / "state").symlink_to(elsewhere)
    assert "is no folder, or a link to one" in guest.fails()
    assert list(elsewhere.iterdir()) == []


def test_what_the_model_reads_names_places_that_are_there(guest: Guest) -> None:
    told = (
        "Look at `/workspace/group/a.md`; sqlite3 /workspace/project/x, a/workspace/b, /workspaces/"
    )
    changes = {
        "groups/main/CLAUDE.md": told,
        "container/skills/x/SKILL.md": told,
        "docs/a.md": told,
    }
    guest.repository.commit("told", changes)
    release = guest.release(guest.build("told"))
    wanted = told.replace(" /workspace/p", " $HOME/../p").replace("`/workspace/", "`$HOME/../")
    for path in ("groups/main/CLAUDE.md", "container/skills/x/SKILL.md"):
        assert (release / path).read_text() == wanted
    assert (release / "docs" / "a.md").read_text() == told


def test_a_registry_that_is_not_reached_is_said_before_npm_is_called(guest: Guest) -> None:
    try:
        guest.proxy.answer = b"HTTP/1.1 403 Forbidden\r\n\r\n"
        said = guest.fails()
    finally:
        del guest.proxy.answer
    assert "install: the registry https://npm.example/ is not reached through http://127" in said
    assert "403 Forbidden" in said
    assert guest.calls() == []
    guest.build()
    assert guest.proxy.asked[-1] == "npm.example:443"
