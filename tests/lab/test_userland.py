"""The userland of a lab machine: what a Mac lacks is not there, BSD's programs are in charge."""

import subprocess

import pytest

from lab.lab import Lab

pytestmark = pytest.mark.lab

ABSENT = (
    *("timeout", "sha256sum", "setfacl", "getent", "useradd", "usermod", "systemctl", "nproc"),
    *(
        "ip",
        "ss",
        "iptables",
        "nft",
        "apt",
        "dpkg",
        "gsed",
        "socat",
        "squid",
        "node",
        "tac",
        "shuf",
    ),
)


def run(lab: Lab, script: str, user: str = "operator") -> subprocess.CompletedProcess[str]:
    return lab.exec("host", ["/bin/sh", "-c", script], user=user)


@pytest.mark.parametrize("name", ABSENT)
def test_what_a_mac_lacks_is_not_on_the_path(lab: Lab, name: str) -> None:
    assert run(lab, f"command -v {name}").returncode != 0


def test_stat_is_bsds(lab: Lab) -> None:
    assert run(lab, "stat -f '%Su:%Sg %Lp' /private/etc/passwd").stdout == "root:wheel 644\n"
    refused = run(lab, "stat -c %a /private/etc/passwd")
    assert refused.returncode == 1
    assert refused.stderr.startswith("stat: illegal option -- c\nusage: stat ")


def test_etc_tmp_and_var_are_links_into_private(lab: Lab) -> None:
    names = run(lab, "stat -f '%N%SY' /etc /tmp /var").stdout
    assert names == "/etc -> private/etc\n/tmp -> private/tmp\n/var -> private/var\n"


def test_pyinfras_file_fact_command_answers_with_the_bsd_form(lab: Lab) -> None:
    answer = run(
        lab,
        "stat -c 'user=%U' /etc/hosts 2> /dev/null || "
        "stat -f 'user=%Su group=%Sg mode=%Sp size=%z %N%SY' /etc/hosts",
    )
    assert answer.stdout.startswith("user=root group=wheel mode=-rw-r--r-- size=")


def test_temporary_files_are_the_users(lab: Lab) -> None:
    made = run(lab, "f=$(mktemp) && stat -f '%Su %Lp' \"$f\"; d=$(mktemp -d) && stat -f %Lp $d")
    assert made.stdout == "operator 600\n700\n"


def test_sed_in_place_needs_a_suffix(lab: Lab) -> None:
    script = "cd $(mktemp -d); echo a > f; sed -i s/a/b/ f; cat f; sed -i '' s/a/b/ f; cat f"
    assert run(lab, script).stdout == "a\nb\n"


def test_shasum_is_there(lab: Lab) -> None:
    digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert run(lab, "printf hello | shasum -a 256").stdout.split()[0] == digest
