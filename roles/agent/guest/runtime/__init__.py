"""The direct runtime: answers NanoClaw's `docker` or `container` and runs agents as processes.

NanoClaw v1 starts one container per conversation by an executable found on its PATH. This one
starts none: it runs the compiled agent-runner as an unprivileged user of its own, one per group,
in a folder of its own per run (reference/nanoclaw.md §2.4, §2.6).

These modules are assembled into one file, which is installed as /usr/local/clawkeep/bin/docker
and …/container (`clawkeep.render.program`): standard library, Python 3.9. It runs in two roles,
as NanoClaw's user for everything NanoClaw asks, and, by sudo, as an agent's user for what only
that user can do (`inside`).
"""
