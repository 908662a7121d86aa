"""Trust on first use, from the trusted side, and never again."""

from __future__ import annotations

import base64

from clawkeep.hostkeys import HostKey, judge, parse, text


def key(service: str = "nas", data: bytes = b"one", kind: str = "ssh-ed25519",
        target: str = "nas.lan:22") -> HostKey:  # fmt: skip
    return HostKey(service, kind, base64.b64encode(data).decode(), target)


NAS = [("nas", "nas.lan:22")]


def test_the_first_key_is_pinned_the_strongest_of_those_offered() -> None:
    seen = [key(data=b"rsa", kind="ssh-rsa"), key()]
    assert judge(NAS, [], seen).pinned == (key(),)


def test_another_key_replaces_nothing_and_both_are_named() -> None:
    judged = judge(NAS, [key()], [key(data=b"two"), key(data=b"rsa", kind="ssh-rsa")])
    assert judged.pinned == (key(),)
    [sentence] = judged.changed
    assert sentence == (
        "nas at nas.lan:22 shows another SSH host key: pinned is "
        f"{key().fingerprint}, seen is {key(data=b'two').fingerprint}"
    )


def test_a_key_of_another_type_beside_the_pinned_one_is_no_change() -> None:
    judged = judge(
        NAS, [key(data=b"rsa", kind="ssh-rsa")], [key(), key(data=b"rsa", kind="ssh-rsa")]
    )
    assert judged.changed == ()


def test_the_pinned_key_missing_among_others_is_a_change() -> None:
    assert judge(NAS, [key()], [key(data=b"rsa", kind="ssh-rsa")]).changed != ()


def test_a_service_that_is_down_keeps_its_pin_and_a_new_one_gets_none() -> None:
    assert judge(NAS, [key()], []).pinned == (key(),)
    judged = judge(NAS, [], [])
    assert judged.pinned == ()
    assert judged.silent == ("nas at nas.lan:22 shows no SSH host key",)


def test_another_declared_target_is_another_machine() -> None:
    moved = [("nas", "new.lan:22")]
    assert judge(moved, [key()], [key(data=b"two", target="new.lan:22")]).pinned == (
        key(data=b"two", target="new.lan:22"),
    )
    assert judge(moved, [key()], []).pinned == ()


def test_the_pin_of_a_service_that_was_removed_stays_for_its_return() -> None:
    assert judge([], [key()], []).pinned == (key(),)


def test_what_is_written_is_read_again_and_nothing_else() -> None:
    keys = (key("a"), key("b", kind="ecdsa-sha2-nistp256"))
    assert parse(text(keys)) == keys
    assert parse("nas ssh-ed25519 !!! t:22\nnas none AAAA t:22\n# x\nnas ssh-rsa AAAA\n") == ()


def test_a_fingerprint_is_what_ssh_keygen_prints() -> None:
    real = HostKey("nas", "ssh-ed25519",
                   "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
                   "github.com:22")  # fmt: skip
    # GitHub's own, which it publishes with this fingerprint.
    assert real.fingerprint == "ssh-ed25519 SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
