"""Whether MLX and CoreML are worth trying in this guest: a report, not a skill to use.

A guest's GPU is "Apple Paravirtual device": MLX crashed on it, custom Metal kernels returned zeros,
and no report of a Neural Engine in a guest is known (reference/tart.md §6, reference/macos.md §7).
The verdict follows from what macOS says of this machine, so that a guest that gets more one day is
told so.
"""

from __future__ import annotations

import json

from clawkeep.skills.skill import Options, Scene, Skill, Wants
from clawkeep.skills.tools import Failed, NeedsMac, Tools

LEAST_GB = 8
"""What MLX and a small model need beside the agent."""


class MlReport(Options):
    """Nothing to choose; it installs nothing."""


def wants(_options: MlReport, _scene: Scene) -> Wants:
    """Return that it needs nothing."""
    return Wants(question={"least_gb": LEAST_GB})


def probe(tools: Tools) -> str:
    """Read chip, memory and GPU, and say go or no-go for each."""
    facts = {}
    for name in ("machdep.cpu.brand_string", "hw.memsize", "kern.hv_vmm_present"):
        done = tools.run("/usr/sbin/sysctl", "-n", name)
        facts[name] = done.out.strip() if done.status == 0 else ""
    memory = int(facts["hw.memsize"] or 0) / (1 << 30)
    tools.measured.update(
        chip=facts["machdep.cpu.brand_string"],
        memory_gb=memory,
        virtual="yes" if facts["kern.hv_vmm_present"] == "1" else "no",
    )
    seen = f"{facts['machdep.cpu.brand_string']}, {memory:.0f} GB"
    if not tools.on_a_mac:
        raise NeedsMac(f"{seen}; only a Mac has a GPU to report on")
    done = tools.run("/usr/sbin/system_profiler", "-json", "SPDisplaysDataType", timeout_s=60)
    try:
        displays = json.loads(done.out)["SPDisplaysDataType"]
        gpus = [d for d in displays if isinstance(d, dict) and "sppci_model" in d]
    except (ValueError, LookupError, TypeError):
        raise Failed("system_profiler does not say which GPU there is: " + done.words) from None
    gpu = str(gpus[0]["sppci_model"]) if gpus else "none"
    metal = str(gpus[0].get("spdisplays_mtlgpufamilysupport", "none")) if gpus else "none"
    tools.measured.update(gpu=gpu, metal=metal.replace("spdisplays_", ""))
    virtual = tools.measured["virtual"] == "yes" or "paravirtual" in gpu.lower()
    if not gpus or "Apple" not in facts["machdep.cpu.brand_string"]:
        verdict = "MLX no-go: no Apple GPU; CoreML: on the CPU"
    elif virtual:
        verdict = (
            "MLX no-go: it crashes on a paravirtual GPU; CoreML: on the CPU, there is no Neural "
            "Engine; for speed let the host compute (host_whisper)"
        )
    elif memory < tools.question["least_gb"]:
        verdict = f"MLX no-go: {memory:.0f} GB, it takes {tools.question['least_gb']}; CoreML: go"
    else:
        verdict = "MLX go; CoreML go"
    return f"{seen}, GPU {gpu}: {verdict}"


SKILL = Skill("a report on MLX and CoreML, go or no-go", MlReport, wants, probe, timeout_s=90)
