"""The contract: everything declared is in it, nothing else is, and it can be signed."""

from __future__ import annotations

import json
import re
from pathlib import Path

from hypothesis import given

from clawkeep.declaration import egress_of
from clawkeep.explain.contract import FIXED, Contract
from clawkeep.explain.denials import NOT_PROMISED
from clawkeep.explain.prose import code, duration, listed
from clawkeep.explain.sides import declared_policy
from clawkeep.model import Agent, Guest, Keep
from clawkeep.model.agent import Skill
from clawkeep.policy import PROXY_PORT
from tests.unit.explain.keeps import keeps

CHECKOUT = Path(__file__).resolve().parents[3]
SPAN = re.compile(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)")


def contract(keep: Keep) -> Contract:
    return Contract(keep, declared_policy(keep).egress)


def quoted(text: str) -> set[str]:
    """What stands between backticks, as Markdown reads it."""
    found = set()
    for _, inside in SPAN.findall(text):
        strip = inside.startswith(" ") and inside.endswith(" ") and inside.strip()
        found.add(inside[1:-1] if strip else inside)
    return found


def declared(keep: Keep) -> set[str]:
    """Every declared value that the contract has to name, collected by hand."""
    values = {keep.guest.name, keep.guest.image, keep.guest.user, keep.digest}
    for service in keep.services:
        values |= {service.name, str(service.port), str(service.target)}
        values |= {service.guest_name or service.name, service.note or service.name}
        values |= {service.tls_name} if service.kind == "tls" else set()
    for mount in keep.guest.mounts:
        values |= {mount.name, mount.path}
    egress = keep.egress
    if egress.mode == "cidrs":
        values |= {*egress.cidrs, *map(str, egress.ports)}
    if egress.mode == "domains":
        values |= {domain.removeprefix(".") for domain in egress_of(egress).domains}
        values |= {*egress.profiles, str(PROXY_PORT)}
    if egress.report_until:
        values.add("2026-11-22 12:00:00 UTC")
    return values | (declared_of_agent(keep.agent) if keep.agent else set())


def declared_of_agent(agent: Agent) -> set[str]:
    values = {agent.release_profile.version, agent.pin, agent.source, *agent.agent_users}
    for skill in agent.skills:
        values |= {skill.branch or "", skill.path or "", skill.commit or "", skill.repository or ""}
    return (values | {*agent.secrets, *agent.groups_denied}) - {""}


def normal(value: str) -> str:
    """Markdown strips one space on either side of a code span that has some at both."""
    return value[1:-1] if value[:1] == " " == value[-1:] and value.strip() else value


@given(keeps())
def test_every_declared_value_is_named_and_nothing_undeclared_is(keep: Keep) -> None:
    for text in (
        contract(keep).markdown(),
        "\n".join(s for part in contract(keep).sections() for s in part.sentences)
        + contract(keep).title,
    ):
        assert quoted(text) - set(FIXED) == {normal(value) for value in declared(keep)}


@given(keeps())
def test_no_number_and_no_address_stands_outside_of_the_declared_values(keep: Keep) -> None:
    bare = SPAN.sub("", contract(keep).markdown())
    known = {"22", "443", "80", "4", "6", *map(str, range(100))}
    known |= {str(keep.guest.cpu), str(keep.guest.memory_mb), str(keep.guest.disk_gb)}
    known |= {word for s in keep.services for word in duration(s.idle_s or 0).split()}
    assert set(re.findall(r"\d+", bare)) <= known
    assert not re.findall(r"\d+\.\d+", bare)


@given(keeps())
def test_the_same_keep_has_the_same_contract_in_all_three_forms(keep: Keep) -> None:
    assert contract(keep).text() == contract(keep).text()
    data = json.loads(json.dumps(contract(keep).as_json()))
    sentences = [sentence for part in data["sections"] for sentence in part["sentences"]]
    markdown = contract(keep).markdown()
    assert [f"- {sentence}" for sentence in sentences] == [
        line for line in markdown.splitlines() if line.startswith("- ")
    ]
    assert data["digest"] == keep.digest


@given(keeps())
def test_every_door_and_folder_says_what_it_is(keep: Keep) -> None:
    sections = {part.title: part.sentences for part in contract(keep).sections()}
    doors = sections["What the guest can reach"]
    for service in keep.services:
        (mine,) = [text for text in doors if text.startswith(f"`{service.name}`: ")]
        assert f"port `{service.port}` of the gateway leads to `{service.target}`, and" in mine
        assert ("certificate" in mine) is (service.kind == "tls")
        assert ("silence never closes one" in mine) is (service.idle_s is None)
    folders = sections["Which folders of the Mac"]
    for mount in keep.guest.mounts:
        (mine,) = [text for text in folders if f"as `{mount.name}`" in text]
        assert code(mount.path) in mine
        assert ("never write" in mine) is mount.read_only


def test_what_a_closed_keep_can_never_do_names_the_layers_that_refuse() -> None:
    sections = {part.title: part.sentences for part in contract(Keep()).sections()}
    never = "\n".join(sections["What the guest can never do"])
    assert "Reach the internet, by any address or port. Refused by Softnet and pf" in never
    assert "Reach the Mac by any other port of the gateway" in never
    other_ports = next(line for line in never.splitlines() if "any other port" in line)
    assert "Softnet" not in other_ports
    assert "No service at all" in sections["What the guest can reach"][0]
    assert sections["Which folders of the Mac"] == ("None: no folder of the Mac is shared.",)


def test_what_security_md_does_not_promise_the_contract_does_not_either() -> None:
    text = (CHECKOUT / "SECURITY.md").read_text()
    part = text.partition("## What is not promised")[2].partition("\n## ")[0]
    entries = re.findall(r"^- (.*)", part, re.MULTILINE)
    said = " ".join(NOT_PROMISED)
    assert len(entries) >= 6
    for entry in entries:
        assert re.split(r"[.:(]", entry)[0].strip() in said, entry


def test_prose() -> None:
    assert [duration(s) for s in (1, 90, 120, 3600, 5400, 172_800)] == [
        *("1 second", "90 seconds", "2 minutes", "1 hour", "90 minutes", "2 days"),
    ]
    assert [listed("a"), listed("ab"), listed("abc", "or")] == ["a", "a and b", "a, b or c"]
    assert [code("a"), code("a`b"), code("``")] == ["`a`", "`` a`b ``", "``` `` ```"]


def test_what_agents_can_do_is_told_where_one_is_declared() -> None:
    assert "agents" not in contract(Keep()).markdown()
    secrets = {"ANTHROPIC_API_KEY": "env:A", "DISCORD_BOT_TOKEN": "env:B"}
    skill = {"branch": "skill/discord", "commit": "d" * 40}
    agent = Agent(secrets=secrets, skills=(Skill(**skill),), groups_denied=("work",), users=2)
    keep = Keep(agent=agent, guest=Guest(user="someone", packages=("node@22",)))
    sections = {part.title: part.sentences for part in contract(keep).sections()}
    text = "\n".join(sections["What agents can do in the guest"])
    assert "holds the model's credential (`ANTHROPIC_API_KEY`)" in text
    assert "NanoClaw holds `DISCORD_BOT_TOKEN`; agents cannot read it" in text
    assert "No agent is started for `work`." in text
    assert "has one of `claw-agent-1` for itself" in text
    assert "changed by 1 skill: `skill/discord` at `ddd" in text
    assert "Whoever is root in the guest is above them" in text
