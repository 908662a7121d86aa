"""GitHub's command line, logged in as one user.

gh would ask the API for the user's name and rewrite its files; given both, in the format of its
version 1 configuration, it leaves them alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from clawkeep.skills.agents import AgentFile, ForAgents
from clawkeep.skills.skill import Options, Ref, Scene, SecretText, Skill, Wants, Word
from clawkeep.skills.tools import Failed, Tools

HOSTS = ".config/gh/hosts.yml"
CONFIG = ".config/gh/config.yml"
GUIDE = """\
`gh` is logged in to github.com as `{user}`. It never asks questions here: give all that it needs.

    gh issue list --repo OWNER/NAME --json number,title,state
    gh pr view 12 --repo OWNER/NAME --comments
    gh api repos/OWNER/NAME/commits --jq '.[0].sha'

Write only where you were asked to. Never print or pass on the token (`gh auth token`).
"""


class Gh(Options):
    """`user` is the account on github.com that `token` belongs to."""

    user: Word
    token: Ref


def wants(options: Gh, _scene: Scene) -> Wants:
    """Return what gh needs: the token in a file, since the guest's keychain has no screen."""

    def hosts(secrets: Mapping[str, str]) -> str:
        token, user = json.dumps(secrets["token"]), json.dumps(options.user)
        return (
            "github.com:\n"
            f"    users:\n        {user}:\n            oauth_token: {token}\n"
            f"    git_protocol: https\n    oauth_token: {token}\n    user: {user}\n"
        )

    return Wants(
        formulas=("gh",),
        files={CONFIG: 'version: "1"\ngit_protocol: https\nprompt: disabled\n'},
        secrets={"token": options.token},
        secret_files=(SecretText(HOSTS, hosts),),
        egress=("api.github.com",),
        profile="github",
        agents=ForAgents(
            "GitHub from the shell: issues, pull requests, repositories, workflow runs.",
            GUIDE.format(user=options.user),
            programs=("gh",),
            files=(AgentFile(CONFIG), AgentFile(HOSTS)),
        ),
        question={"user": options.user, "hosts": HOSTS},
    )


def probe(tools: Tools) -> str:
    """Ask GitHub who the token belongs to."""
    text = tools.secret(tools.question["hosts"])
    tools.hides(*re.findall(r'oauth_token: "(.*)"', text))
    # Without a prompt, and without a look for a newer gh.
    quiet = {"GH_PROMPT_DISABLED": "1", "GH_NO_UPDATE_NOTIFIER": "1"}
    done = tools.run("/opt/homebrew/bin/gh", "api", "user", "--jq", ".login", env=quiet)
    if done.status != 0:
        raise Failed("gh: " + done.words)
    login = done.out.strip()
    if login.lower() != tools.question["user"].lower():
        raise Failed("the token belongs to {}, expected {}".format(login, tools.question["user"]))
    return f"logged in to github.com as {login}"


SKILL = Skill("GitHub's command line, with a token", Gh, wants, probe)
