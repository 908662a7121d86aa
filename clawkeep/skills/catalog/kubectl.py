"""kubectl through a bridge, with a token of its own.

Where the API server is and whom to find there stands in ~/.kube/clawkeep-NAME.yaml, which the
network phase renders; here come the credentials, and a `kubectl` that takes both files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from clawkeep.skills.agents import AgentFile, ForAgents
from clawkeep.skills.skill import (
    PROGRAMS,
    Options,
    Ref,
    Scene,
    SecretText,
    Skill,
    Wants,
    Word,
)
from clawkeep.skills.tools import Failed, Tools

WRAPPER = """#!/bin/sh
# Written by clawkeep: kubectl with the cluster behind the door, unless it is told otherwise.
: "${{KUBECONFIG:=$HOME/{cluster}:$HOME/{user}}}"
export KUBECONFIG
exec /opt/homebrew/bin/kubectl "$@"
"""
GUIDE = """\
`kubectl` is set to the cluster, with a service account's token.

    kubectl auth can-i --list          what the token may do; ask this first
    kubectl get pods --all-namespaces -o wide
    kubectl logs deployment/NAME -n NAMESPACE --tail=100

Change nothing that you were not asked to change, and show a diff before (`kubectl diff -f FILE`).
"""


class Kubectl(Options):
    """`service` names the API server's door; `token` is a service account's, with few rights."""

    token: Ref
    service: Word = "kubernetes"


def wants(options: Kubectl, scene: Scene) -> Wants:
    """Return what kubectl needs beside the kubeconfig of the door."""
    door = scene.door(options.service, "tls", "16443 kube.lan:6443")
    name = json.dumps(door.name)
    cluster, user = f".kube/clawkeep-{door.name}.yaml", f".kube/skill-{door.name}.yaml"

    def credentials(secrets: Mapping[str, str]) -> str:
        token = json.dumps(secrets["token"])
        return (
            f"apiVersion: v1\nkind: Config\nusers:\n- name: {name}\n  user:\n    token: {token}\n"
        )

    return Wants(
        formulas=("kubernetes-cli",),
        programs={f"{PROGRAMS}/kubectl": WRAPPER.format(cluster=cluster, user=user)},
        secrets={"token": options.token},
        secret_files=(SecretText(user, credentials),),
        doors=(door.name,),
        agents=ForAgents(
            "Kubernetes from the shell: look at, and where allowed change, the cluster.",
            GUIDE,
            programs=("kubectl",),
            files=(AgentFile(cluster), AgentFile(user)),
        ),
        question={
            "program": f"{PROGRAMS}/kubectl",
            "credentials": user,
            "port": door.port,
            "name": door.tls_name,
        },
    )


def probe(tools: Tools) -> str:
    """Ask the API server, whose certificate kubectl verifies, who the token is and what it may."""
    text = tools.secret(tools.question["credentials"])
    tools.hides(*re.findall(r'token: "(.*)"', text))
    program = tools.question["program"]
    limit = ("--request-timeout=10s",)
    done = tools.run(program, "get", "--raw", "/version", *limit)
    if done.status != 0:
        raise Failed("kubectl: " + done.words)
    version = json.loads(done.out).get("gitVersion", "?")
    done = tools.run(program, "get", "--raw", "/api", *limit)
    if done.status != 0:
        raise Failed("kubectl: the token is refused: " + done.words)
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "*", "resource": "*", "group": "*"}},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    done = tools.run(program, "create", "--raw", path, "-f", "-", *limit, stdin=json.dumps(review))
    if done.status != 0:
        raise Failed("kubectl: nobody says what the token may do: " + done.words)
    if json.loads(done.out).get("status", {}).get("allowed"):
        rights = "the token may do EVERYTHING; give the agent a service account with few rights"
    else:
        rights = "the token is no administrator's"
    return "Kubernetes {} as {}, {}".format(version, tools.question["name"], rights)


SKILL = Skill("kubectl through the API server's door", Kubectl, wants, probe)
