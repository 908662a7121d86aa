import json
from pathlib import Path

import pytest

from lab.image import linux
from lab.image.commands import REGISTERED, registered, write_stand_ins
from lab.image.login import kcpassword
from lab.image.tree import Tree


def test_kcpassword_of_admin_begins_as_in_the_real_image() -> None:
    assert kcpassword("admin").hex().startswith("1ced3f4abcbc")
    assert len(kcpassword("admin")) == 12
    assert len(kcpassword("elevenchars")) == 12
    assert len(kcpassword("twelve chars")) == 24


def test_a_registered_command_becomes_a_program_that_runs_its_module(tmp_path: Path) -> None:
    (tmp_path / "part.json").write_text(json.dumps({"/bin/launchctl": "launchd.launchctl"}))
    tree = Tree(tmp_path / "root")

    write_stand_ins(tree, registered(tmp_path))

    program = tree.at("/bin/launchctl")
    assert program.stat().st_mode & 0o777 == 0o755
    assert program.read_text() == (
        "#!/System/Lab/python/bin/python3 -IS\n"
        'import sys; sys.path.insert(0, "/System/Lab")\n'
        "from mac.launchd.launchctl import main; sys.exit(main(sys.argv))\n"
    )


def test_a_warm_command_names_the_fork_server_only_where_its_client_is(tmp_path: Path) -> None:
    entries = {"/sbin/pfctl": {"module": "pf.pfctl", "warm": True}, "/sbin/halt": "launchd.halt"}
    (tmp_path / "part.json").write_text(json.dumps(entries))
    tree = Tree(tmp_path / "root")

    def first_lines(*, warm: bool) -> list[str]:
        write_stand_ins(tree, registered(tmp_path), warm=warm)
        return [tree.at(path).read_text().splitlines()[0] for path in entries]

    cold = "#!/System/Lab/python/bin/python3 -IS"
    assert first_lines(warm=True) == ["#!/System/Lab/stand-in pf.pfctl", cold]
    assert first_lines(warm=False) == [cold, cold]


def test_a_broken_registration_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "part.json").write_text("{")

    with pytest.raises(ValueError, match=r"part\.json"):
        registered(tmp_path)


def test_no_two_parts_register_the_same_command() -> None:
    paths = [path for file in REGISTERED.glob("*.json") for path in json.loads(file.read_text())]

    assert len(paths) == len(set(paths))


def test_links_that_lead_out_of_usr_are_put_right(tmp_path: Path) -> None:
    usr = tmp_path / "usr"
    for folder in ("bin", "sbin"):
        (usr / folder).mkdir(parents=True)
    (usr / "bin" / "nc.openbsd").touch()
    (tmp_path / "alternative").symlink_to(usr / "bin" / "nc.openbsd")
    (usr / "bin" / "nc").symlink_to(tmp_path / "alternative")
    (usr / "sbin" / "netcat").symlink_to(usr / "bin" / "nc.openbsd")
    (usr / "bin" / "relative").symlink_to("nc.openbsd")
    (usr / "bin" / "gone").symlink_to("/etc/alternatives/nothing-of-the-kind")

    linux.write_links(tmp_path / "layer", usr)

    layer = tmp_path / "layer"
    assert (layer / "bin" / "nc").readlink() == Path("nc.openbsd")
    assert (layer / "sbin" / "netcat").readlink() == Path("../bin/nc.openbsd")
    assert sorted(p.name for p in (layer / "bin").iterdir()) == ["nc"]
