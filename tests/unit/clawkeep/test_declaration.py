"""The policy of a declared keep."""

from __future__ import annotations

from clawkeep.declaration import door_of, egress_of, policy_of
from clawkeep.model import Egress, Keep, Service


def test_the_policy_of_a_keep_carries_every_service() -> None:
    service = Service.model_validate(
        {"name": "vault", "port": 18443, "target": "vault.lan:443", "kind": "tls", "ca": "ca.pem"}
    )
    keep = Keep(services=(service,))
    found = policy_of(keep, owner="me", owner_uid=501, owner_home="/Users/me", cas={"ca.pem": "P"})
    assert found.doors == (door_of(service, {"ca.pem": "P"}),)
    assert found.doors[0].target == "vault.lan:443"
    assert (found.doors[0].server_name, found.doors[0].ca) == ("vault.lan", "P")
    assert found.digest == keep.digest


def test_profiles_become_domains_and_what_another_covers_is_dropped() -> None:
    egress = Egress.model_validate(
        {"mode": "domains", "profiles": ["agent", "pip"], "domains": [".anthropic.com"]}
    )
    made = egress_of(egress, ["index.example"])
    assert made.domains == (".anthropic.com", "discord.com", "gateway.discord.gg", "index.example")
    assert egress_of(Egress()).domains == ()
