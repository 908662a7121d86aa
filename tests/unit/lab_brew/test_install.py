"""What `brew install`, `upgrade` and `uninstall` promise. Source: reference/macos.md §7."""

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.mac.brew import cli, keg
from lab.mac.brew.prefix import populate

from .conftest import Machine

Maker = Callable[..., Machine]


def test_root_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "running_as_root", lambda: True)

    status, _, err = machine.brew("install", "jq")

    assert status == 1
    assert err.startswith(
        "Error: Running Homebrew as root is extremely dangerous and no longer supported."
    )
    assert not (machine.prefix / "bin/jq").exists()


def test_root_may_ask_where_homebrew_is(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "running_as_root", lambda: True)

    assert machine.brew("--prefix") == (0, "/opt/homebrew\n", "")
    assert machine.brew("list", "jq")[0] == 1
    assert machine.brew("list")[0] == 0


def test_an_unknown_formula_is_an_error_and_nothing_is_fetched(machine: Machine) -> None:
    status, out, err = machine.brew("install", "nope")

    assert status == 1
    assert 'Warning: No available formula with the name "nope".' in err
    assert "Searching for similarly named formulae and casks..." in out
    assert "Error: No formulae or casks found for nope." in err
    assert machine.fetched == []


def test_a_near_miss_names_what_there_is(machine: Machine) -> None:
    status, out, _ = machine.brew("install", "whisper")

    assert status == 1
    assert "To install whisper-cpp, run:\n  brew install whisper-cpp\n" in out


def test_installing_fetches_manifest_and_blob_then_pours_and_links(machine: Machine) -> None:
    status, out, _ = machine.brew("install", "jq")

    assert status == 0
    assert machine.fetched[0] == "https://ghcr.io/v2/homebrew/core/jq/manifests/1.8.1"
    assert machine.fetched[1].startswith("https://ghcr.io/v2/homebrew/core/jq/blobs/sha256:")
    assert "🍺  /opt/homebrew/Cellar/jq/1.8.1: 2 files" in out
    assert os.readlink(machine.prefix / "bin/jq") == "../Cellar/jq/1.8.1/bin/jq"
    assert os.readlink(machine.prefix / "opt/jq") == "../Cellar/jq/1.8.1"
    assert os.readlink(machine.prefix / "Cellar/jq/1.8.1/bin/jq") == "/System/Lab/linux/bin/jq"


def test_a_version_in_the_name_is_a_slash_in_the_registry(machine: Machine) -> None:
    machine.brew("install", "node@22")

    assert machine.fetched[0] == "https://ghcr.io/v2/homebrew/core/node/22/manifests/22.23.3"


def test_installing_again_warns_fetches_nothing_and_is_no_change(
    machine: Machine, calls: list[bool]
) -> None:
    machine.brew("install", "jq")
    fetched = machine.fetched

    status, _, err = machine.brew("install", "jq")

    assert status == 0
    assert err.startswith("Warning: jq 1.8.1 is already installed and up-to-date.")
    assert machine.fetched == fetched
    assert calls == [True, False]


def test_a_keg_only_formula_is_not_linked_and_says_how_to_reach_it(machine: Machine) -> None:
    status, out, err = machine.brew("install", "node@22")

    assert status == 0
    assert (machine.prefix / "opt/node@22/bin/npm").exists()
    assert not os.path.lexists(machine.prefix / "bin/node")
    assert "node@22 is keg-only, which means it was not symlinked into /opt/homebrew," in out
    assert "Warning: node@22 has been deprecated because it is not supported upstream!" in err
    assert "It will be disabled on 2027-04-30." in err


def test_two_nodes_live_side_by_side(machine_with: Maker) -> None:
    machine = machine_with("node@24")

    machine.brew("install", "node@22")

    assert machine.brew("list", "--versions")[1] == "node@22 22.23.3\nnode@24 24.21.0\n"


def test_without_a_network_nothing_is_half_installed(machine: Machine) -> None:
    machine.network_down()

    status, _, err = machine.brew("install", "whisper-cpp")

    assert status == 1
    assert 'Failed to download resource "whisper-cpp (1.9.4)"' in err
    assert "curl: (6) Could not resolve host" in err
    assert machine.brew("list") == (0, "", "")
    assert list((machine.prefix / "Cellar").iterdir()) == []
    assert [path.name for path in (machine.prefix / "bin").iterdir()] == ["brew"]


def test_a_killed_pour_leaves_no_keg(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keg, "_write_receipt", killed)
    with pytest.raises(KeyboardInterrupt):
        machine.brew("install", "jq")

    assert machine.brew("list") == (0, "", "")


def test_a_prefix_of_somebody_else_is_an_error_that_names_the_folders(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith("Cellar"))

    status, _, err = machine.brew("install", "jq")

    assert status == 1
    assert "Error: The following directories are not writable by your user:" in err
    assert "\n/opt/homebrew/Cellar\n" in err
    assert machine.fetched == []


def test_a_program_missing_on_the_developers_machine_is_said_so(machine: Machine) -> None:
    status, _, err = machine.brew("install", "gh")

    assert status == 1
    assert "gh: bottle not available in this lab" in err
    assert machine.brew("list")[1] == ""


def test_a_file_in_the_way_is_not_overwritten(machine: Machine) -> None:
    (machine.prefix / "bin/jq").write_text("mine")

    _, out, err = machine.brew("install", "jq")

    assert "Error: The `brew link` step did not complete successfully" in err
    assert "Could not symlink bin/jq" in out
    assert (machine.prefix / "bin/jq").read_text() == "mine"
    assert "it's just not linked" in machine.brew("install", "jq")[2]


def test_a_named_dependency_comes_along_and_leaves_with_its_user(machine: Machine) -> None:
    machine.brew("install", "whisper-cpp")
    assert machine.brew("list")[1] == "ggml\nwhisper-cpp\n"
    assert machine.brew("leaves")[1] == "whisper-cpp\n"

    assert machine.brew("uninstall", "ggml")[0] == 1
    status, out, _ = machine.brew("uninstall", "whisper-cpp")

    assert status == 0
    assert "Autoremoving 1 unneeded formula:\nggml" in out
    assert machine.brew("list")[1] == ""


def test_upgrading_replaces_the_file_and_loses_its_suid_bit(machine_with: Maker) -> None:
    machine = machine_with("openai/tools/softnet=0.21.1")
    old = machine.prefix / "Cellar/softnet/0.21.1/bin/softnet"
    old.chmod(0o4555)
    machine.brew("trust", "--formula", "openai/tools/softnet")
    assert machine.brew("outdated")[1] == "openai/tools/softnet\n"

    assert machine.brew("upgrade", "softnet")[0] == 0

    new = machine.prefix / "bin/softnet"
    assert new.resolve().parent.parent.name == "0.22.0"
    assert not new.stat().st_mode & stat.S_ISUID
    assert not old.exists()
    assert machine.brew("outdated")[1] == ""


def test_install_does_not_upgrade_when_told_not_to(
    machine_with: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machine_with("openai/tools/softnet=0.21.1")
    monkeypatch.setenv("HOMEBREW_NO_INSTALL_UPGRADE", "1")

    status, _, err = machine.brew("install", "openai/tools/softnet")

    assert status == 0
    assert "To upgrade to 0.22.0, run:\n  brew upgrade openai/tools/softnet" in err
    assert machine.brew("list", "--versions")[1] == "softnet 0.21.1\n"


def test_a_pinned_formula_is_not_upgraded(machine_with: Maker) -> None:
    machine = machine_with("openai/tools/softnet=0.21.1")
    machine.brew("trust", "openai/tools")
    machine.brew("pin", "softnet")

    assert machine.brew("upgrade", "softnet")[0] == 1
    assert machine.brew("list", "--versions", "softnet")[1] == "softnet 0.21.1\n"


def test_the_same_name_from_another_tap_is_refused(machine_with: Maker) -> None:
    machine = machine_with("openai/tools/tart")

    status, _, err = machine.brew("install", "cirruslabs/cli/tart")

    assert status == 1
    assert "tart was installed from the openai/tools tap" in err


def test_the_old_tap_still_installs_an_old_tart(machine: Machine) -> None:
    status, _, _ = machine.brew("install", "cirruslabs/cli/softnet", "cirruslabs/cli/tart")

    assert status == 0
    assert machine.brew("list", "--versions")[1] == "softnet 0.18.0\ntart 2.32.1\n"


def test_tart_is_a_script_that_becomes_the_program_in_libexec(machine_with: Maker) -> None:
    machine = machine_with("openai/tools/tart")

    script = (machine.prefix / "bin/tart").read_text()

    inside = "/opt/homebrew/Cellar/tart/2.35.0/libexec/tart.app/Contents/MacOS/tart"
    assert script == f'#!/bin/bash\nexec "{inside}" "$@"\n'
    program = (machine.root / inside.lstrip("/")).read_text()
    assert program.startswith("#!/System/Lab/python/bin/python3 -IS\n")
    assert "from mac.tart.cli import main" in program


def test_a_second_brew_on_the_same_formula_stops(machine: Machine) -> None:
    lock = machine.prefix / "var/homebrew/locks/jq.formula.lock"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)

        status, _, err = machine.brew("install", "jq")

    assert status == 1
    assert "process has already locked /opt/homebrew/Cellar/jq." in err
    assert machine.brew("install", "jq")[0] == 0


def test_auto_update_asks_the_api_unless_switched_off(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOMEBREW_NO_AUTO_UPDATE")

    machine.brew("install", "jq")

    assert machine.fetched[0] == "https://formulae.brew.sh/api/formula.jws.json"


def test_list_of_what_is_not_there(machine: Machine) -> None:
    assert machine.brew("list", "jq") == (1, "", "Error: No such keg: /opt/homebrew/Cellar/jq\n")
    assert machine.brew("list", "--versions", "jq") == (1, "", "")


def test_an_unknown_option_is_an_error(machine: Machine) -> None:
    assert machine.brew("install", "--frob", "jq") == (1, "", "Error: invalid option: --frob\n")


def test_populate_says_what_it_could_not_pour(tmp_path: Path, bottles: Path) -> None:
    skipped = populate(
        tmp_path / "image", os.getuid(), os.getgid(), ["bitwarden-cli", "node@24"], bottles=bottles
    )

    assert skipped == ["bitwarden-cli"]
    assert (tmp_path / "image/opt/homebrew/opt/node@24/bin/npm").exists()


def test_images_name_the_labs_own_index_and_registry(machine: Machine) -> None:
    pip = (machine.root / "private/etc/pip.conf").read_text()

    assert "index-url = https://packages.lab.internet/simple/" in pip
    assert (
        (machine.prefix / "etc/npmrc").read_text().startswith("registry=https://npm.lab.internet/")
    )


def test_settings_go_to_etc_once_and_an_edited_file_keeps_its_place(machine: Machine) -> None:
    etc = machine.prefix / "etc"
    assert machine.brew("install", "dnsmasq")[0] == 0
    poured = (etc / "dnsmasq.conf").read_text()
    machine.brew("uninstall", "dnsmasq")
    assert (etc / "dnsmasq.conf").read_text() == poured

    machine.brew("install", "dnsmasq")
    assert not (etc / "dnsmasq.conf.default").exists()
    machine.brew("uninstall", "dnsmasq")
    (etc / "dnsmasq.conf").write_text("port=5353\n")
    machine.brew("install", "dnsmasq")

    assert (etc / "dnsmasq.conf").read_text() == "port=5353\n"
    assert (etc / "dnsmasq.conf.default").read_text() == poured
