"""One build of a release: source, skills, dependencies, programs, proofs, and its name at the end.

Runs in the guest on its own Python 3.9, standard library only.
"""

from __future__ import annotations

import json
import os
import re
import shutil

import gitsource
import npmbuild
import offline
import releases
from recognise import UnsupportedError, profile_of
from stepping import StepError, run, say

#: Changes when a build does something else with the same source.
FORMAT = 2
HOMEBREW_BIN = "/opt/homebrew/bin"
SYSTEM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
CHANNEL = "/usr/local/clawkeep/share/channel"
#: The skills engine has no command for its first step (reference/nanoclaw.md §1.2).
ENGINE_START = "import('./skills-engine/migrate.ts').then((engine) => engine.initSkillsSystem())"


def environment(places: releases.Places, spec: dict) -> dict[str, str]:
    """Return the whole environment of a build: nothing is inherited, and no dotfile is read.

    npm and node-gyp take the proxy by their own names, git and curl by the common ones.
    """
    cache = places.cache
    prefix = os.path.dirname(os.path.dirname(spec["node"]))
    env = {
        "PATH": f"{prefix}/bin:{HOMEBREW_BIN}:{SYSTEM_PATH}",
        "HOME": os.path.join(cache, "home"),
        "TMPDIR": os.path.join(cache, "tmp"),
        "LANG": "en_US.UTF-8",
        "CI": "1",
        "HUSKY": "0",
        "GIT_CONFIG_GLOBAL": os.path.join(cache, "gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "/usr/bin/false",
        "npm_config_cache": os.path.join(cache, "npm"),
        "npm_config_update_notifier": "false",
        # Two more tries, but not a minute and a half of them.
        "npm_config_fetch_retry_mintimeout": "2000",
        "npm_config_fetch_retry_maxtimeout": "10000",
    }
    if os.path.isfile(os.path.join(prefix, "include", "node", "node.h")):
        # The headers of this very Node: nobody has to fetch them to compile an addon.
        env["npm_config_nodedir"] = prefix
    if spec.get("registry"):
        env["npm_config_registry"] = spec["registry"]
    if proxy := spec.get("proxy"):
        for name in ("https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"):
            env[name] = proxy
        env["npm_config_https_proxy"] = env["npm_config_proxy"] = proxy
        env["NODE_USE_ENV_PROXY"] = "1"
    return env


class Build:
    """One build of one specification; see roles/agent/checkout.py for its keys."""

    def __init__(self, places: releases.Places, spec: dict) -> None:
        self.places, self.spec, self.step = places, spec, "lock"
        self.env = environment(places, spec)
        self.folder = places.release(f"{spec['commit'][:12]}-building.new")
        self.skills = spec["skills"]
        self.repository = os.path.join(places.cache, "repository.git")
        cached = spec.get("cache")
        self.stock = cached and offline.Stock(cached, os.path.join(places.cache, "offline"))

    def run(self) -> str:
        """Build, unless it is there; return the release's id. Raises StepError and OSError.

        `step` is what it is at, for an error that does not say so itself.
        """
        self.step = "folders"
        self._prepare()
        if self.stock:
            self.step = offline.STEP
            self.stock.stage()
            self.env.update(self.stock.environment())
        try:
            return self._build()
        finally:
            if self.stock:
                self.stock.remove()

    def _build(self) -> str:
        self.step = "source"
        self.node = npmbuild.Node(self.spec["node"], self.spec["node_major"], self.env)
        if self.stock:
            self.stock.seed(self.repository, self.node.npm, self.env)
        self._check_out()
        self._recognise()
        self._merge_skills()
        name = self._name()
        if not self._is_there(name):
            self.step = "build"
            self._make()
            self.step = "finish"
            self._finish(name)
        return name

    def _is_there(self, name: str) -> bool:
        """Tell whether this very release is complete, and note that it is what is wanted now."""
        record, release = self.places.records().get(name), self.places.release(name)
        if record is None:
            return False
        if changed := changes(release, record, self.env):
            raise StepError(
                f"release {name} was changed since it was built: {'; '.join(changed[:5])}; remove "
                f"{release} to have it built anew, and move what you need into a skill"
            )
        say(f"release {name} is there already")
        known = dict(record, spec=self.spec["digest"])
        releases.write_json(os.path.join(release, releases.RECORD), known)
        return True

    def _prepare(self) -> None:
        self.places.make_folders()
        self.places.sweep()
        shutil.rmtree(os.path.join(self.places.cache, "tmp"), ignore_errors=True)
        for name in ("home", "tmp"):
            os.makedirs(os.path.join(self.places.cache, name), exist_ok=True)
        sources = [self.spec["repository"], *(s.get("repository") or "" for s in self.skills)]
        mirrors = [source for source in sources if source.startswith("/")]
        gitsource.write_config(self.env["GIT_CONFIG_GLOBAL"], self.spec["git_rewrites"], mirrors)

    def _check_out(self) -> None:
        source, commit = self.spec["repository"], self.spec["commit"]
        wanted = [(source, commit)]
        wanted += [
            (s.get("repository") or source, s["commit"]) for s in self.skills if s.get("commit")
        ]
        say(f"source: {commit} of {source}")
        gitsource.fetch(self.repository, wanted, self.env)
        commits = [one for _, one in wanted]
        gitsource.check_out(self.folder, self.repository, source, commits, self.env)

    def _recognise(self) -> None:
        """Refuse what the profile is not about, before any of its code runs."""
        package = releases.read_json(os.path.join(self.folder, "package.json"))
        try:
            found = profile_of(package, gitsource.tracked(self.folder, self.env))
        except UnsupportedError as error:
            raise StepError(f"source: {self.spec['commit']}: {error}") from error
        if found != self.spec["profile"]:
            raise StepError(
                f"source: {self.spec['commit']} is NanoClaw {package.get('version')}, which needs "
                f"profile {found!r}; declared is {self.spec['profile']!r}"
            )

    def _merge_skills(self) -> None:
        for skill in self.skills:
            if skill.get("branch"):
                gitsource.merge(self.folder, skill["branch"], skill["commit"], self.env)
            elif skill.get("commit"):
                gitsource.take_path(self.folder, skill["path"], skill["commit"], self.env)

    def _name(self) -> str:
        """Return the release's id, which says all that its contents depend on."""
        locks = (gitsource.LOCK, os.path.join(npmbuild.RUNNER, gitsource.LOCK))
        self.locks = [releases.file_hash(os.path.join(self.folder, lock)) for lock in locks]
        parts = [FORMAT, self.locks, self.node.abi, self.node.arch, self.skills,
                 self.spec["profile"], self.spec.get("channel")]  # fmt: skip
        key = releases.text_hash(json.dumps(parts, sort_keys=True))[:8]
        return f"{self.spec['commit'][:12]}-{key}"

    def _donor(self, part: str, key: str) -> str | None:
        """Return dependencies of another release that were installed from the same lock."""
        for name, record in self.places.records().items():
            folder = os.path.join(self.places.release(name), part)
            if record.get("modules", {}).get(part) == key and os.path.isdir(folder):
                return folder
        return None

    def _make(self) -> None:
        node, folder = self.node, self.folder
        packages = [skill["path"] for skill in self.skills if skill.get("path")]
        # What the engine installs beside the lock, nobody else's lock can stand for.
        basis = self.locks[0] + "".join(packages)
        self.modules = {
            "node_modules": node.modules_key(basis),
            "agent/node_modules": node.modules_key(self.locks[1]),
        }
        donor = self._donor("node_modules", self.modules["node_modules"])
        npmbuild.install(node, folder, donor, "install")
        self._apply(packages)
        self.channel = self._add_channel()
        self._tell_places()
        gitsource.commit_all(folder, "what skills changed", self.env)
        npmbuild.prove(node, folder, donor)
        npmbuild.build(node, folder)
        runner = self._donor("agent/node_modules", self.modules["agent/node_modules"])
        npmbuild.build_agent(node, folder, runner)

    def _apply(self, packages: list[str]) -> None:
        """Apply packages by the checkout's own skills engine, which three-way merges them."""
        if not packages:
            return
        tsx = os.path.join(self.folder, "node_modules", ".bin", "tsx")
        run("skills", [tsx, "-e", ENGINE_START], self.folder, self.env)
        for path in packages:
            run(f"skill {path}", [tsx, "scripts/apply-skill.ts", path], self.folder, self.env)

    def _tell_places(self) -> None:
        """Have what the model reads name places that are there: a run's folder is beside its HOME.

        Programs are rewritten when they are compiled (paths.py); these are words.
        """
        for path in gitsource.tracked(self.folder, self.env, "groups", "container/skills"):
            file = os.path.join(self.folder, path)
            if not path.endswith(".md") or os.path.islink(file) or not os.path.isfile(file):
                continue
            with open(file, encoding="utf-8", newline="", errors="surrogateescape") as stream:
                text = stream.read()
            told = re.sub(r"(?<![\w.~*/-])/workspace(?=/)", "$HOME/..", text)
            if told != text:
                with open(
                    file, "w", encoding="utf-8", newline="", errors="surrogateescape"
                ) as stream:
                    stream.write(told)

    def _add_channel(self) -> object:
        """Add the local channel, through which the operator's side can speak with the agent."""
        if not self.spec.get("channel"):
            return None
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "channel.py")
        command = ["/usr/bin/python3", "-I", program, self.folder, self.spec["profile"],
                   "--source", self.spec.get("channel_source", CHANNEL)]  # fmt: skip
        said = run("channel", command, self.folder, self.env)
        return json.loads(said)["files"]

    def _finish(self, name: str) -> None:
        """Put the state's links in, take write permission from others, and give it its name."""
        seeds = gitsource.tracked(self.folder, self.env, "groups")
        gitsource.leave_alone(self.folder, "groups", self.env)
        self.places.link_state(self.folder, seeds)
        record = {
            "id": name,
            "path": self.places.release(name),
            "profile": self.spec["profile"],
            "version": self.spec["version"],
            "label": self.spec["label"],
            "repository": self.spec["repository"],
            "commit": self.spec["commit"],
            "skills": self.skills,
            "head": gitsource.head(self.folder, self.env),
            "channel": self.channel,
            "node": {"path": self.node.binary, "version": self.node.version, "abi": self.node.abi},
            "arch": self.node.arch,
            "lock": releases.file_hash(os.path.join(self.folder, gitsource.LOCK)),
            "modules": self.modules,
            "dist": dist_hash(self.folder),
            "key": name.partition("-")[2],
            "built_at": releases.now(),
            "spec": self.spec["digest"],
        }
        run("finish", ["/bin/chmod", "-R", "a+rX,go-w", self.folder], self.folder, self.env)
        if changed := gitsource.changes(self.folder, self.env):
            raise StepError(f"finish: the build changed its own source: {'; '.join(changed[:5])}")
        releases.write_json(os.path.join(self.folder, releases.RECORD), record)
        os.sync()
        os.rename(self.folder, self.places.release(name))
        for gone in self.places.prune(name):
            say(f"release {gone} is no longer kept")


def dist_hash(release: str) -> str:
    """Return a hash of everything that the build left in `dist`."""
    return releases.text_hash(releases.manifest(release, ["dist"]))


def changes(release: str, record: dict, env: dict[str, str]) -> list[str]:
    """Say how a release differs from what was built: its source, its programs."""
    try:
        changed = gitsource.changes(release, env)
        head = gitsource.head(release, env)
    except StepError as error:
        return [str(error)]
    if head != record["head"]:
        changed.append(f"HEAD is {head}, not {record['head']}")
    if dist_hash(release) != record["dist"]:
        changed.append("dist is not what was built")
    return changed
