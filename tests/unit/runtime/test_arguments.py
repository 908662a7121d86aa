"""The command lines that NanoClaw writes are read; any other is refused."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roles.agent.guest.runtime.arguments import (
    Mount,
    RunArguments,
    options,
    redacted,
    run_arguments,
)
from roles.agent.guest.runtime.settings import Refused

V1_1 = shlex.split(
    "run -i --rm --name nanoclaw-main-1740000000000 -e TZ=Europe/Berlin --user 502:20"
    " -e HOME=/home/node -v /r:/workspace/project:ro -v /r/groups/main:/workspace/group"
    " -v /r/data/ipc/main:/workspace/ipc nanoclaw-agent:latest"
)
V1_2 = shlex.split(
    "run -i --rm --name nanoclaw-main-1740000000000 -e TZ=UTC"
    " --add-host=host.docker.internal:host-gateway --user 502:20 -e HOME=/home/node"
    " -v /dev/null:/workspace/project/.env:ro -v /r/store:/workspace/project/store"
    " nanoclaw-agent:latest"
)
FORK = shlex.split(
    "run -i --rm --name nanoclaw-owner-dm-1740000000000 --user 502:20 -e HOME=/home/node"
    " -e OLLAMA_BASE_URL=http://192.168.64.1:30068"
    " --mount type=bind,source=/Users/claw/.config/nanoclaw,target=/workspace/config,readonly"
    " -v /r/groups/owner-dm:/workspace/group nanoclaw-agent:latest"
)
HOME = ("HOME", "/home/node")


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (V1_1, RunArguments(
            "nanoclaw-main-1740000000000", (("TZ", "Europe/Berlin"), HOME),
            (Mount("/r", "/workspace/project", True),
             Mount("/r/groups/main", "/workspace/group", False),
             Mount("/r/data/ipc/main", "/workspace/ipc", False)),
            "nanoclaw-agent:latest")),
        (V1_2, RunArguments(
            "nanoclaw-main-1740000000000", (("TZ", "UTC"), HOME),
            (Mount("/dev/null", "/workspace/project/.env", True),
             Mount("/r/store", "/workspace/project/store", False)),
            "nanoclaw-agent:latest")),
        (FORK, RunArguments(
            "nanoclaw-owner-dm-1740000000000",
            (HOME, ("OLLAMA_BASE_URL", "http://192.168.64.1:30068")),
            (Mount("/Users/claw/.config/nanoclaw", "/workspace/config", True),
             Mount("/r/groups/owner-dm", "/workspace/group", False)),
            "nanoclaw-agent:latest")),
    ],
    ids=["v1.1", "v1.2", "fork"],
)  # fmt: skip
def test_each_versions_own_words_are_read(words: list[str], read: RunArguments) -> None:
    assert run_arguments(words[1:]) == read


def test_spellings_of_docker_mean_the_same() -> None:
    plain = run_arguments(["--name", "a", "-e", "TZ=x", "-v", "/a:/b", "image"])
    assert run_arguments(["--name=a", "--env=TZ=x", "--volume=/a:/b:rw", "image"]) == plain
    assert run_arguments(["--name=a", "-eTZ=x", "-v/a:/b", "image"]) == plain
    assert run_arguments(["--name", "a", "-e", "TZ", "image"]).env == (("TZ", None),)
    bind = run_arguments(
        ["--name", "a", "-e", "TZ=x", "--mount", "type=bind,src=/a,dst=/b", "image"]
    )
    assert bind == plain


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--name a", "exactly one image"),
        ("image", "exactly one --name"),
        ("--name a --name b image", "exactly one --name"),
        ("--name a image bash -c true", "no command"),
        ("--name", "needs an argument"),
        ("--name $(id) image", "no container can be called so"),
        ("--name ../x image", "no container can be called so"),
        ("--name -x image", "no container can be called so"),
        (f"--name {'a' * 129} image", "no container can be called so"),
        ("--privileged --name a image", "unknown flag: --privileged"),
        ("-d --name a image", "unknown flag: -d"),
        ("-it --name a image", "unknown flag: -it"),
        ("--network=host --name a image", "unknown flag: --network"),
        ("--entrypoint bash --name a image", "unknown flag: --entrypoint"),
        ("--name a -e =x image", "a variable's name"),
        ("--name a -e A-B=x image", "a variable's name"),
        ("--name a -v data:/x image", "no absolute path"),
        ("--name a -v /x image", "source:target"),
        ("--name a -v /x:/y:z image", "source:target"),
        ("--name a -v /x:/y:ro:ro image", "source:target"),
        ("--name a -v /x:/y/../z image", "plainly"),
        ("--name a -v /x:/y//z image", "plainly"),
        ("--name a -v /x:/ image", "plainly"),
        ("--name a --mount type=volume,source=/x,target=/y image", "type=bind"),
        ("--name a --mount type=bind,source=/x image", "type=bind"),
        ("--name a --mount type=bind,source=/x,target=/y,readonly=false image", "not understood"),
        ("--name a --mount type=bind,source=/x,target=/y,source=/z image", "not understood"),
        ("--name a --mount type=bind,source=/x,target=/y,bind-propagation=shared image",
         "type=bind"),
    ],
)  # fmt: skip
def test_anything_else_is_refused(words: str, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        run_arguments(words.split())
    assert caught.value.status == 125


def test_control_characters_are_no_path() -> None:
    with pytest.raises(Refused, match="no absolute path"):
        run_arguments(["--name", "a", "-v", "/x\ny:/z", "image"])


@given(st.lists(st.sampled_from(
    ["-e", "--env", "-eA=hidden1", "-e=A=hidden2", "--env=A=hidden3", "A=hidden4", "A", "run",
     "-v", "/a:/b", "--name", "n", "-evil"])))  # fmt: skip
def test_no_value_of_a_variable_is_logged(words: list[str]) -> None:
    # A word after -e is a value; one that follows anything else is not.
    known = [w for before, w in zip(["", *words], words, strict=False)
             if before not in ("-e", "--env") and w == "A=hidden4"]  # fmt: skip
    shown = redacted(words)
    assert len(shown) == len(words)
    assert " ".join(shown).count("hidden") <= len(known) + sum(
        words[i : i + 3] == [option, its_value, "A=hidden4"]
        for i in range(len(words))
        for option in ("-e", "--env")
        for its_value in ("-e", "--env")
    )


def test_a_logged_command_line_still_says_what_was_asked() -> None:
    assert redacted(["-e", "TZ=UTC", "--env=K=v", "-eK=v", "-e", "K", "-v", "/a:/b=c"]) == [
        "-e", "TZ=*", "--env=K=*", "-eK=*", "-e", "K", "-v", "/a:/b=c",
    ]  # fmt: skip


def test_options_end_at_the_first_operand() -> None:
    assert list(options(["-q", "x", "-q"], {"-q"}, set())) == [("-q", ""), ("", "x"), ("", "-q")]
