"""What tart does to VMs that do not run."""

import json
import re
from collections.abc import Iterator

import pytest

from lab.lab import Lab
from tests.lab.tart_host import BASE, VANILLA, TartHost

pytestmark = pytest.mark.lab
GB = 1000**3
AGENT_HINT = "(also make sure that Guest agent for Tart is running inside of a VM)"
TOO_FEW = "LessThanMinimalResourcesError: VM should have 2 CPU cores at minimum (requested 1)"
IMAGE_MAC = "7e:6f:2a:11:c0:01"


@pytest.fixture(scope="module")
def host(lab: Lab) -> TartHost:
    host = TartHost.on(lab)
    host.clone("base")
    return host


@pytest.fixture
def vm(host: TartHost) -> Iterator[str]:
    host.clone("vm", "base")
    yield "vm"
    host.tart("delete vm")


def marker(host: TartHost, name: str, text: str | None = None) -> str | None:
    """Write or read a file on a VM's disk."""
    file = host.disk_folder(name) / "upper" / "marker"
    if text is not None:
        file.write_text(text)
    return file.read_text() if file.exists() else None


def test_a_clone_copies_what_is_on_the_disk_and_then_lives_its_own_life(
    host: TartHost, vm: str
) -> None:
    marker(host, vm, "before")
    host.clone("copy", vm)
    marker(host, vm, "after")
    assert marker(host, "copy") == "before"
    host.tart("delete copy", check=True)


def test_clone_replaces_an_existing_vm_without_a_word(host: TartHost, vm: str) -> None:
    marker(host, vm, "precious")
    old_disk = host.disk_folder(vm)
    done = host.tart(f"clone base {vm}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert marker(host, vm) is None
    assert not old_disk.exists()


def test_the_first_clone_of_an_image_keeps_its_mac_and_the_next_gets_its_own(
    host: TartHost, vm: str
) -> None:
    assert host.config("base")["macAddress"] == IMAGE_MAC
    other = host.config(vm)["macAddress"]
    assert other != IMAGE_MAC
    assert int(other[:2], 16) & 3 == 2, "locally administered, unicast"


def test_a_failing_disk_size_has_already_saved_the_cpus(host: TartHost, vm: str) -> None:
    done = host.tart(f"set {vm} --cpu 6 --memory 6144 --disk-size 40")
    assert done.returncode == 1
    assert done.stderr == (
        "new disk size of 40 GB should be larger than the current disk size of 50 GB\n"
    )
    config = host.config(vm)
    assert (config["cpuCount"], config["memorySize"]) == (6, 6144 * 1024**2)


def test_disk_sizes_are_decimal_and_only_grow(host: TartHost, vm: str) -> None:
    host.tart(f"set {vm} --disk-size 50", check=True)
    host.tart(f"set {vm} --disk-size 60", check=True)
    assert host.sh(f"stat -f %z ~/.tart/vms/{vm}/disk.img").stdout == f"{60 * GB}\n"
    assert json.loads(host.tart(f"get {vm} --format json").stdout)["Disk"] == 60


def test_every_set_without_the_flag_forgets_display_refit(host: TartHost, vm: str) -> None:
    host.tart(f"set {vm} --no-display-refit", check=True)
    assert host.config(vm)["displayRefit"] is False
    host.tart(f"set {vm} --cpu 4", check=True)
    assert "displayRefit" not in host.config(vm)


def test_too_little_of_a_machine_is_refused(host: TartHost, vm: str) -> None:
    done = host.tart(f"set {vm} --cpu 1")
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: {TOO_FEW}\n",
    )


@pytest.mark.parametrize(
    ("arguments", "status", "stderr"),
    [
        ("get nope", 2, 'the specified VM "nope" does not exist\n'),
        ("ip nope", 2, 'the specified VM "nope" does not exist\n'),
        ("clone nope copy", 2, 'the specified VM "nope" does not exist\n'),
        ("delete nope", 2, 'the specified VM "nope" does not exist\n'),
        ("run nope", 1, 'Error: the specified VM "nope" does not exist\n'),
        ("stop base", 2, 'VM "base" is not running\n'),
        ("exec base true", 2, 'VM "base" is not running\n'),
        ("suspend base", 2, 'VM "VM "base" is not running" is not running\n'),
        ("ip base", 1, "no IP address found, is your VM running?\n"),
        (
            "ip base --resolver agent",
            1,
            f"no IP address found, is your VM running? {AGENT_HINT}\n",
        ),
    ],
)
def test_failures_have_tarts_own_status_and_text(
    host: TartHost, arguments: str, status: int, stderr: str
) -> None:
    done = host.tart(arguments)
    assert (done.returncode, done.stderr) == (status, stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("clone base a/b", "<new-name> should be a local name"),
        ("rename nope other", "failed to rename a non-existent local VM: nope"),
        (
            "rename base base",
            "failed to rename VM base, target VM base already exists, delete it first!",
        ),
        ("list --source OCI", "'OCI' is not a valid <source>"),
        ("prune", "at least one pruning criteria must be specified"),
        (
            "run base --net-host --net-softnet-allow=10.0.0.0/8",
            "--net-bridged, --net-softnet and --net-host are mutually exclusive",
        ),
        (
            "run base --dir /tmp --dir x:/tmp",
            "invalid --dir syntax: for multiple directory shares each one of them should be named",
        ),
        ("run base --nonsense", "Unknown option '--nonsense'"),
    ],
)
def test_wrong_usage_ends_with_64(host: TartHost, arguments: str, message: str) -> None:
    done = host.tart(arguments)
    assert done.returncode == 64
    assert done.stderr.splitlines()[0] == f"Error: {message}"
    assert "Usage: tart " in done.stderr


def test_images_are_listed_by_tag_and_by_digest(host: TartHost) -> None:
    text = host.tart("list --format json").stdout
    images = [one for one in json.loads(text) if one["Source"] == "OCI"]
    digest = host.tart(f"fqn {BASE}").stdout.strip()
    assert [one["Name"] for one in images] == [BASE, digest]
    assert re.fullmatch(r"ghcr\.io/cirruslabs/macos-sequoia-base@sha256:[0-9a-f]{64}", digest)
    assert '"Name" : "ghcr.io\\/cirruslabs' in text


def test_list_has_tarts_fields_and_types(host: TartHost) -> None:
    row = json.loads(host.tart("list --source local --format json").stdout)[0]
    assert {key: type(value).__name__ for key, value in row.items()} == {
        "Source": "str", "Name": "str", "Disk": "int", "Size": "int", "Accessed": "str",
        "Running": "bool", "State": "str",
    }  # fmt: skip


def test_a_digest_pin_must_be_the_images(host: TartHost) -> None:
    digest = host.tart(f"fqn {BASE}").stdout.strip()
    host.tart(f"clone {digest} pinned", check=True)
    host.tart("delete pinned", check=True)
    wrong = f"{BASE.removesuffix(':latest')}@sha256:{'0' * 64}"
    done = host.tart(f"clone {wrong} pinned")
    assert done.returncode == 1
    assert 'UnexpectedHTTPStatusCode(when: "pulling manifest", code: 404' in done.stderr


def test_the_vanilla_image_has_neither_agent_nor_homebrew(host: TartHost) -> None:
    host.clone("vanilla", VANILLA)
    upper = host.disk_folder("vanilla") / "upper"
    assert (upper / "Users" / "admin").is_dir()
    assert not (upper / "opt" / "homebrew").exists()
    assert not list((upper / "Library").glob("Launch*/org.cirruslabs.tart-guest-*"))
    host.tart("delete vanilla", check=True)


def test_a_pull_needs_the_internet_and_a_cached_clone_does_not(host: TartHost, vm: str) -> None:
    host.lab.exec("host", ["/System/Lab/linux/sbin/ip", "link", "set", "en0", "down"], check=True)
    try:
        done = host.tart(f"pull {BASE}")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
        host.tart(f"clone {BASE} offline", check=True)
    finally:
        ip = "/System/Lab/linux/sbin/ip"
        host.lab.exec("host", [ip, "link", "set", "en0", "up"], check=True)
        host.lab.exec("host", [ip, "route", "replace", "default", "via", "10.0.10.1"], check=True)
        host.tart("delete offline")


def test_commands_clean_tmp_except_clone_and_pull(host: TartHost, vm: str) -> None:
    host.sh("mkdir -p ~/.tart/tmp/partial", check=True)
    host.tart(f"clone {vm} again", check=True)
    assert host.sh("ls ~/.tart/tmp").stdout == "partial\n"
    host.tart("delete again", check=True)
    assert host.sh("ls ~/.tart/tmp").stdout == ""


def test_an_export_comes_back_as_the_same_vm(host: TartHost, vm: str) -> None:
    marker(host, vm, "kept")
    host.tart(f"export {vm} /tmp/vm.tvm", check=True)
    host.tart("import /tmp/vm.tvm imported", check=True)
    assert marker(host, "imported") == "kept"
    assert host.config("imported")["macAddress"] != host.config(vm)["macAddress"]
    host.tart("delete imported", check=True)


def test_deleting_a_vm_deletes_its_disk(host: TartHost) -> None:
    host.clone("short", "base")
    disk = host.disk_folder("short")
    assert disk.is_dir()
    host.tart("delete short", check=True)
    assert not disk.exists()


def test_another_tart_home_has_other_vms(host: TartHost) -> None:
    done = host.sh("TART_HOME=/tmp/elsewhere tart list -q")
    assert (done.returncode, done.stdout) == (0, "")


def test_the_help_of_run_lists_what_features_are_detected_by(host: TartHost) -> None:
    text = host.tart("run --help", check=True).stdout
    for flag in ("allow", "block", "expose", "control-fd"):
        assert f"--net-softnet-{flag}" in text
    assert host.tart("--version", check=True).stdout == "2.35.0\n"
