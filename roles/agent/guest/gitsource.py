"""The source of a release: a full commit, its skills, and whether anybody changed it since.

All git commands read one configuration, ours: neither the user's nor the machine's may change what
is built. A bare repository is kept as a cache, so that a new commit costs what is new in it.
Runs in the guest on its own Python 3.9, standard library only.
"""

from __future__ import annotations

import os

from stepping import StepError, run

STEP = "source"
LOCK = "package-lock.json"

# The author never changes, and the time is the commit's: equal sources make equal commits.
# ssh is not allowed: nobody in the guest has a key, and it would hang instead of failing.
CONFIG = """# Written by clawkeep for its own git commands.
[user]
    name = Clawkeep
    email = clawkeep@localhost
[init]
    defaultBranch = main
    templateDir =
[core]
    hooksPath = /dev/null
    autocrlf = false
    fsmonitor = false
[advice]
    detachedHead = false
[commit]
    gpgSign = false
[gc]
    auto = 0
[submodule]
    recurse = false
[protocol]
    allow = never
[protocol "https"]
    allow = always
[protocol "file"]
    allow = always
"""


def write_config(path: str, rewrites: dict[str, str], mirrors: list[str]) -> None:
    """Write git's configuration; `rewrites` maps addresses to those that are taken for them.

    A mirror in the guest may belong to somebody else, whom git distrusts unless told otherwise.
    """
    text = CONFIG
    for address, taken in sorted(rewrites.items()):
        text += f"[url {_quoted(taken)}]\n    insteadOf = {_quoted(address)}\n"
    for mirror in mirrors:
        for folder in (mirror, f"{mirror}/.git"):
            text += f"[safe]\n    directory = {_quoted(folder)}\n"
    fresh = f"{path}.new"
    with open(fresh, "w") as file:
        file.write(text)
    os.replace(fresh, path)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Git:
    """git in one folder, with the environment that it gets there."""

    def __init__(self, folder: str, env: dict[str, str], step: str = STEP) -> None:
        self.folder, self.env, self.step = folder, env, step

    def __call__(self, *arguments: str, **more: str) -> str:
        """Run git and return its stdout; keyword arguments are further variables."""
        command = ["git", "-C", self.folder, *arguments]
        return run(self.step, command, self.folder, {**self.env, **more})

    def has(self, commit: str) -> bool:
        """Tell whether that commit is here."""
        try:
            self("cat-file", "-e", f"{commit}^{{commit}}")
        except StepError:
            return False
        return True


def fetch(cache: str, wanted: list[tuple[str, str]], env: dict[str, str]) -> None:
    """Have every (repository, commit) in the bare repository `cache`."""
    os.makedirs(cache, exist_ok=True)
    git = Git(cache, env)
    git("init", "--quiet", "--bare")
    for repository, commit in wanted:
        if not git.has(commit):
            _fetch_one(git, repository, commit)
        # Also for one that came along with another: a ref keeps it, and gives it away.
        git("update-ref", f"refs/clawkeep/{commit}", commit)


def _fetch_one(git: Git, repository: str, commit: str) -> None:
    base = ["fetch", "--quiet", "--no-tags", repository]
    try:
        git(*base, commit)
    except StepError as error:
        # Not every server gives a commit by its hash; then all its branches, if they have it.
        if not any(
            word in str(error) for word in ("not our ref", "unadvertised", "no such remote")
        ):
            raise
        git(*base, "+refs/heads/*:refs/clawkeep/heads/*")
    if not git.has(commit):
        raise StepError(f"{git.step}: {repository} has no commit {commit} on any branch")


def check_out(
    folder: str, cache: str, repository: str, commits: list[str], env: dict[str, str]
) -> None:
    """Make `folder` a repository of its own, detached at the first of `commits`.

    The others are in it, too, for skills. Raises StepError when what is checked out is not exactly
    that commit.
    """
    os.makedirs(folder)
    git = Git(folder, env)
    git("init", "--quiet")
    git("remote", "add", "origin", repository)
    refs = [f"+refs/clawkeep/{commit}:refs/clawkeep/{commit}" for commit in dict.fromkeys(commits)]
    git("fetch", "--quiet", "--no-tags", cache, *refs)
    git("checkout", "--quiet", "--detach", commits[0])
    if head(folder, env) != commits[0]:
        raise StepError(f"{STEP}: expected {commits[0]} to be checked out, got {head(folder, env)}")
    if changed := changes(folder, env):
        raise StepError(f"{STEP}: a fresh checkout differs from its commit: {changed[0]}")


def merge(folder: str, name: str, commit: str, env: dict[str, str]) -> None:
    """Merge a skill's commit. Where both changed the lock, the skill's is taken, as upstream does.

    Raises StepError, which names the files, when anything else conflicts.
    """
    git = Git(folder, env, f"skill {name}")
    when = git("show", "-s", "--format=%cI", commit).strip()
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    text = f"skill {name} at {commit}"
    try:
        git("merge", "--quiet", "--no-ff", "-m", text, commit, **dates)
    except StepError as error:
        files = git("diff", "--name-only", "--diff-filter=U").split()
        if not files:
            raise
        if files != [LOCK]:
            raise StepError(
                f"skill {name}: {commit} does not merge, both sides changed {', '.join(files)}; "
                "take a commit of it that was made for this version"
            ) from error
        git("checkout", "--quiet", "--theirs", "--", LOCK)
        git("add", "--", LOCK)
        git("commit", "--quiet", "--no-verify", "-m", text, **dates)


def take_path(folder: str, path: str, commit: str, env: dict[str, str]) -> None:
    """Replace a folder of the checkout by the one of another commit."""
    Git(folder, env, f"skill {path}")("checkout", "--quiet", commit, "--", path)


def commit_all(folder: str, text: str, env: dict[str, str]) -> None:
    """Commit whatever skills left in the tree, so that a later change shows."""
    git = Git(folder, env)
    git("add", "--all")
    if not git("diff", "--cached", "--name-only").strip():
        return
    when = git("show", "-s", "--format=%cI", "HEAD").strip()
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    git("commit", "--quiet", "--no-verify", "-m", text, **dates)


def tracked(folder: str, env: dict[str, str], *paths: str) -> list[str]:
    """Return the paths of the tracked files at or below `paths`; of all when there are none."""
    return [name for name in Git(folder, env)("ls-files", "-z", "--", *paths).split("\0") if name]


def head(folder: str, env: dict[str, str]) -> str:
    """Return the commit that is checked out."""
    return Git(folder, env)("rev-parse", "HEAD").strip()


def leave_alone(folder: str, path: str, env: dict[str, str]) -> None:
    """Have git look no more at tracked files below `path`: their place is outside the release."""
    if names := tracked(folder, env, path):
        Git(folder, env)("update-index", "--skip-worktree", "--", *names)


def changes(folder: str, env: dict[str, str]) -> list[str]:
    """Return git's words on every tracked file that is not as committed."""
    text = Git(folder, env)("--no-optional-locks", "status", "--porcelain", "-uno")
    return [line for line in text.splitlines() if line.strip()]
