"""Phase 3: skills, one by one installed, configured and probed; see `clawkeep.skills`.

Generic over the data: which skills there are, and what each comes to, is not known here.
"""

from __future__ import annotations

from clawkeep.model import Keep
from clawkeep.secrets.reference import parse
from clawkeep.skills import packages
from clawkeep.skills.wanted import wanted
from roles import cache, homebrew, pip_tools
from roles.agent import granted, secrets
from roles.bundle import bundle
from roles.probe import section
from roles.skills import configure, install, models, onhost, probe, tcc


def prepare_host(keep: Keep) -> None:
    """Have what skills need running on the host, and nothing else of the kind."""
    # With the questions of the phase before: they cost no command of their own.
    section("network")
    services = [skill.wants.host for skill in wanted(keep) if skill.wants.host]
    onhost.gone(name="Host | services of skills that are no more", services=services)
    for service in services:
        onhost.running(name=f"Host | {service.verb} for the guest", service=service)


def prepare(keep: Keep) -> None:
    """Have exactly the declared skills; what those before left in the user's home goes."""
    section("skills")
    skills = wanted(keep)
    user = keep.guest.user
    configure.recorded(name="Guest | skills that are no more", user=user, skills=skills)
    if keep.agent:
        granted.granted(name="Guest | skills for agents", keep=keep, first=False)
    tcc.granted(name="Guest | rows of TCC", user=user, skills=skills)
    if not skills:
        return
    # Asked before anything is changed: a secret that cannot be had ends the run here.
    references = {
        f"{skill.name}.{name}": parse(text)
        for skill in skills
        for name, text in skill.wants.secrets.items()
    }
    values = secrets.resolved(references) if references else {}
    declared, stock = keep.guest.packages, cache.declared(keep)
    if formulas := packages.formulas(skills, declared):
        homebrew.formulas(name="Guest | packages of skills", names=formulas, stock=stock)
    if npm := packages.npm_packages(skills):
        install.npm(name="Guest | npm packages of skills", packages=npm, stock=stock)
    if tools := packages.pip_tools(skills):
        pip_tools.installed(
            name="Guest | pip tools of skills",
            tools=tools,
            python=packages.python_of([*declared, *formulas]),
            stock=stock,
        )
    if files := models.models(skills):
        models.copied(name="Guest | models of skills", models=files, stock=stock)
    bundle(name="Guest | programs of skills", entries=configure.programs(skills))
    configure.folders(name="Guest | folders of skills", user=user, skills=skills)
    placed = secrets.placed(
        name="Guest | settings of skills",
        user=user,
        files=configure.settings(user, skills, values),
    )
    probe.probed(
        name="Guest | skills are proved", user=user, skills=skills, changed=placed.did_change
    )
