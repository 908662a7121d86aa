"""Remote commands are counted for the role that asks, from what the tools print."""

from __future__ import annotations

from bench import coverage, round_trips

PYINFRA = """\
--> Connecting to hosts...
    [pyinfra.connectors.ssh] Running command on lab-x: (pty=False) sh -c 'tart list'
--> Preparing operation files...
    [pyinfra.connectors.ssh] Running command on lab-x: (pty=False) sh -c 'id -un'
--> Starting operation: Host | Tart, Softnet and the tools of the bridges 
    [pyinfra.connectors.ssh] Running command on lab-x: (pty=False) sh -c 'echo one
echo two'
--> Starting operation: All | the guest is reachable 
    [pyinfra.connectors.ssh] Running command on lab-x: (pty=False) sh -c 'tart ip'
--> Starting operation: Guest | names of the services 
    [pyinfra.connectors.ssh] Running command on @tart/vm: (pty=False) sh -c 'cat /etc/hosts'
"""  # noqa: W291 - as pyinfra prints it

ROLES = {
    "Host | Tart, Softnet and the tools of the bridges": "base",
    "Guest | names of the services": "network",
}


def test_a_command_of_many_lines_is_one_round_trip_of_its_role() -> None:
    count = round_trips.of_clawkeep(PYINFRA, ROLES)
    assert count.of("base", "host") == 2
    assert count.of("network", "guest") == 1
    assert count.of("network", "host") == 0


def test_what_reaching_the_guest_costs_is_no_roles_but_shown() -> None:
    count = round_trips.of_clawkeep(PYINFRA, ROLES)
    assert count.of(round_trips.SET_UP, "host") == 2
    assert count.total() == 5


ANSIBLE = """\
PLAY [base on host, guest] *****************************************************

TASK [Size of the guest] *******************************************************
<keep-host> ESTABLISH SSH CONNECTION FOR USER: None
<keep-host> SSH: EXEC ssh -F /tmp/x -o ControlMaster=auto keep-host '/bin/sh -c true'
<keep-host> (0, b'', b'')
PLAY [network in guest] ********************************************************

TASK [Names] ***************************************************
<keep-guest> SSH: EXEC ssh -F /tmp/x -o ControlMaster=auto keep-guest '/bin/sh -c true'
<keep-guest> SSH: EXEC ssh -F /tmp/x -o ControlMaster=auto keep-guest '/bin/sh -c true'
"""


def test_each_ssh_that_ansible_executes_is_counted_for_the_plays_role() -> None:
    count = round_trips.of_ansible(ANSIBLE)
    assert count.rows() == [
        {"role": "base", "machine": "host", "operation": "Size of the guest", "commands": 1},
        {
            "role": "network",
            "machine": "guest",
            "operation": "Names",
            "commands": 2,
        },
    ]


def test_paths_and_jobs_are_found_inside_nested_quotes() -> None:
    debug = (
        """sh -c 'sudo -H -n sh -c '"'"'stat -f '"'"'"'"'"'"'"'"'%Lp|%Su|%Sg|%N'"'"'"'"'"'"'"'"' """
        "/etc/hosts /opt/x.conf\nshasum -a 256 /etc/hosts /opt/x.conf\n"
        """launchctl print gui/501/com.nanoclaw.vm\n) 2>/dev/null'"'"''"""
    )
    assert coverage.asked_by_clawkeep(debug) == {
        "/etc/hosts",
        "/opt/x.conf",
        "gui/501/com.nanoclaw.vm",
    }
