"""The picture of the keep."""

from __future__ import annotations

from clawkeep.model import Keep
from clawkeep.render.diagram import diagram


def test_the_picture_shows_doors_targets_folders_and_the_wall() -> None:
    keep = Keep.model_validate(
        {
            "services": [
                {"name": "vault", "port": 18443, "target": "vault.lan:443", "kind": "tls"},
                {"name": "db", "port": 15432, "target": "10.0.30.6:5432", "kind": "tcp"},
            ],
            "guest": {"mounts": ['ipc:~/claw "x" #1', "memory:/srv/memory:ro"]},
        }
    )
    assert diagram(keep) == (
        "flowchart LR\n"
        '    subgraph host["Host (Mac)"]\n'
        '        guest["nanoclaw-vm<br/>4 CPU, 8192 MB, 50 GB<br/>user claw"]\n'
        '        door0["gateway:18443 (vault)"]\n'
        '        door1["gateway:15432 (db)"]\n'
        '        folder0[("~/claw #quot;x#quot; #35;1")]\n'
        '        folder1[("/srv/memory")]\n'
        "    end\n"
        '    target0["vault.lan:443"]\n'
        '    guest --> door0 -->|"TLS"| target0\n'
        '    target1["10.0.30.6:5432"]\n'
        '    guest --> door1 -->|"tcp"| target1\n'
        '    guest ---|"read and write"| folder0\n'
        '    guest ---|"read-only"| folder1\n'
        '    guest --x|"egress: none"| rest["anything else"]\n'
    )
