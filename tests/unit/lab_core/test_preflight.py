from pathlib import Path

import pytest

from lab import preflight
from lab.preflight import file_system
from lab.state import LabError, State

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:26 / /var rw - overlay overlay rw,lowerdir=/a
31 30 0:27 / /var/lib/clawkeep\\040lab rw shared:1 - tmpfs tmpfs rw
32 22 0:28 / /srv rw - nfs4 nas:/x rw
33 32 0:29 / /srv rw - xfs /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/opt/labs", "ext4"),
        ("/var/lib/x", "overlay"),
        ("/variable", "ext4"),
        ("/var/lib/clawkeep lab/t1", "tmpfs"),
        ("/srv/labs", "xfs"),
    ],
)
def test_the_last_mount_that_holds_the_path_counts(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


def test_a_missing_program_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(preflight, "PROGRAMS", ("sh", "no-such-program"))

    with pytest.raises(
        LabError, match="missing on this machine: no-such-program; run: lab/install"
    ):
        preflight.check(State.of("x"))


def test_without_root_the_lab_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(LabError, match="the lab needs root"):
        preflight.check(State.of("x"))
