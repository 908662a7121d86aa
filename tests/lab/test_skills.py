"""Skills in a real guest: through the real doors, with real gh, kubectl and ssh."""

from __future__ import annotations

import json

import pytest

from tests.lab.keep import Built
from tests.lab.skilled import EGRESS, Skilled

pytestmark = pytest.mark.lab

TOKENS = {
    "GH_LAB": "ghp_lab_babybot",
    "KUBE_LAB": "lab-agent-7d01",
    "HA_LAB": "ha-planted-5521",
}
SKILLS = {
    "gh": {"user": "babybot", "token": "env:GH_LAB"},
    "kubectl": {"token": "env:KUBE_LAB"},
    "ha_api": {"token": "env:HA_LAB"},
    "truenas": {"user": "root", "key": "env:NAS_LAB"},
}


@pytest.fixture(scope="module")
def skilled(keep: Built) -> Skilled:
    key = (keep.lab.state.folder / "certificates" / "truenas_ssh.client").read_text()
    made = Skilled(keep, {**TOKENS, "NAS_LAB": key})
    made.declare(SKILLS, EGRESS)
    made.apply("network,skills")
    return made


def test_every_skill_is_installed_configured_and_proved(skilled: Skilled) -> None:
    status, rows = skilled.matrix()
    found = {name: (row["proof"], row["verdict"]) for name, row in rows.items()}
    assert found == dict.fromkeys(SKILLS, ("ok", "well")), json.dumps(rows, indent=2)
    assert status == 0
    assert rows["gh"]["evidence"] == "logged in to github.com as babybot"
    assert rows["kubectl"]["evidence"] == (
        "Kubernetes v1.34.1 as kubernetes, the token is no administrator's"
    )
    assert rows["ha_api"]["evidence"] == "2 states, services of 1 domains"
    assert rows["truenas"]["evidence"].startswith("truenas-ssh, host key as pinned: truenas-ssh:")


def test_a_second_run_changes_nothing_and_asks_no_index(skilled: Skilled) -> None:
    assert any("ghcr.io" in visit for visit in skilled.index_visits())
    visits, calls = len(skilled.built.lab.visits()), len(skilled.built.lab.calls())
    said = skilled.apply("skills", "-v")
    assert skilled.index_visits(visits) == []
    assert skilled.package_calls(calls) == []
    assert skilled.built.mutations(calls) == []
    assert "4 skills are proved, or only a Mac can tell" in said


def test_tokens_are_in_private_files_alone(skilled: Skilled) -> None:
    said = skilled.apply()
    home = skilled.guest(
        "stat -f '%Lp %Su' .config/gh/hosts.yml .kube/skill-kubernetes.yaml "
        ".config/clawkeep/home-assistant.token .ssh/skill-truenas-ssh; grep -rl lab-agent-7d01 ."
    )
    assert home.stdout.split("\n")[:4] == ["600 claw"] * 4, home.stdout + home.stderr
    assert "./.kube/skill-kubernetes.yaml" in home.stdout
    record = skilled.built.guest("cat /usr/local/clawkeep/skills/*.json /opt/clawkeep/* 2>&1")
    seen = said + record.stdout + json.dumps(skilled.built.lab.calls())
    for token in TOKENS.values():
        assert token not in seen


ANOTHER_CA = """
openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout k.pem -out c.pem 2>/dev/null
line="    certificate-authority-data: $(base64 < c.pem | tr -d '\\n')"; rm k.pem c.pem
awk -v line="$line" '{ print } /tls-server-name/ { print line }' .kube/clawkeep-kubernetes.yaml > n
cat n > .kube/clawkeep-kubernetes.yaml; rm n
"""
ANOTHER_HOST_KEY = """
ssh-keygen -q -t ed25519 -N '' -f k
echo "truenas-ssh $(cut -d ' ' -f 1,2 k.pub)" > .ssh/known_hosts_clawkeep; rm k k.pub
"""
ANOTHER_KEY = """
rm .ssh/skill-truenas-ssh; ssh-keygen -q -t ed25519 -N '' -f .ssh/skill-truenas-ssh; rm .ssh/*.pub
"""
REDS = {
    "gh": (
        "sed -i '' s/ghp_lab_babybot/ghp_none/ .config/gh/hosts.yml",
        "Bad credentials",
    ),
    "gh, another's token": (
        "sed -i '' s/ghp_lab_babybot/ghp_lab_mallory/ .config/gh/hosts.yml",
        "the token belongs to mallory, expected babybot",
    ),
    "gh, readable by others": (
        "chmod 644 .config/gh/hosts.yml",
        ".config/gh/hosts.yml: mode 644, expected 600",
    ),
    "kubectl": (
        "sed -i '' s/lab-agent-7d01/wrong/ .kube/skill-kubernetes.yaml",
        "the token is refused",
    ),
    "kubectl, another name": (
        "sed -i '' s/tls-server-name:.*/tls-server-name:\\ wrong.lan/ .kube/clawkeep-*.yaml",
        "Unable to connect to the server",
    ),
    "kubectl, another CA": (ANOTHER_CA, "certificate"),
    "ha_api": (
        "echo refused-1 > .config/clawkeep/home-assistant.token",
        "ha_api: 401, the token is refused",
    ),
    "truenas, another host key": (ANOTHER_HOST_KEY, "Host key verification failed."),
    "truenas, another key": (ANOTHER_KEY, "Permission denied"),
}


SLOW = {"kubectl, another name", "kubectl, another CA", "truenas, another key"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if case in SLOW else []) for case in REDS],
)
def test_a_probe_turns_red_and_green_again(skilled: Skilled, case: str) -> None:
    name = case.partition(",")[0]
    change, expected = REDS[case]
    skilled.guest("rm -rf keep; mkdir keep; cp -Rp .kube .ssh .config keep")
    done = skilled.guest(change)
    assert done.returncode == 0, done.stderr
    state, evidence = skilled.probe(name)
    skilled.guest("cp -Rp keep/.kube keep/.ssh keep/.config .; rm -rf keep")
    assert (state, expected in evidence) == ("failed", True), evidence
    assert "7d01" not in evidence
    assert skilled.probe(name)[0] == "ok"


@pytest.mark.slow
def test_a_closed_bridge_is_red_and_the_next_run_repairs_it(skilled: Skilled) -> None:
    job = "com.nanoclaw.bridge.home-assistant"
    skilled.built.host(f"launchctl bootout system/{job}")
    state, evidence = skilled.probe("ha_api")
    assert state == "failed"
    assert "Home Assistant does not answer" in evidence
    status, rows = skilled.matrix()
    assert (status, rows["ha_api"]["verdict"]) == (1, "ill")
    said = skilled.apply("network,skills")
    assert skilled.matrix()[0] == 0, said[-3000:]


def test_a_skill_that_is_no_longer_declared_leaves_no_token(skilled: Skilled) -> None:
    skilled.declare({"ha_api": SKILLS["ha_api"]}, EGRESS)
    said = skilled.apply()
    assert "/Users/claw/.config/gh/hosts.yml: removed" in said
    left = skilled.guest("cd; ls .config/gh .kube .ssh; grep -rl 'ghp_lab\\|lab-agent' .")
    assert "hosts.yml" not in left.stdout
    assert "skill-" not in left.stdout
    assert "clawkeep-kubernetes.yaml" in left.stdout
    assert list(skilled.matrix()[1]) == ["ha_api"]
