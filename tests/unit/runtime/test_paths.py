"""Rewritten code says the same with other paths, and what cannot be rewritten is refused.

What "the same" means is asked of node itself: it runs the code as it was and as it became.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.agent.guest_programs import load

paths, sealed = load("paths"), load("sealed")

HOME = "/opt/nanoclaw/runs/nanoclaw-main-1/home"
RUN = HOME.removesuffix("/home")

# Values of expressions, and what they become; the last column is what HOME makes of them.
EXPRESSIONS = [
    ("'/workspace/ipc/input'", f"{RUN}/ipc/input"),
    ('"/workspace"', RUN),
    ("'/home/node/.claude'", f"{HOME}/.claude"),
    ("'/tmp/task-script.sh'", f"{RUN}/tmp/task-script.sh"),
    ("`/workspace/extra/${'x' + 1}/y`", f"{RUN}/extra/x1/y"),
    ("`in /workspace, ${`and /tmp ${1}`}.`", f"in {RUN}, and {RUN}/tmp 1."),
    ("'see /workspace/group and /home/node.'", f"see {RUN}/group and {HOME}."),
    ('"it\\\'s \\"/workspace/a\\""', f'it\'s "{RUN}/a"'),
    ("'/workspace/a'.length", len(f"{RUN}/a")),
    ("['/workspace', '/tmp'].join(';')", f"{RUN};{RUN}/tmp"),
    ("({ a: '/workspace/x' }).a", f"{RUN}/x"),
    ("1 ? '/workspace' : '/tmp'", RUN),
    ("typeof '/workspace'", "string"),
    ("(() => { switch ('/tmp') { case '/tmp': return 1 } })()", 1),
    ("'/workspace/a'.startsWith('/workspace/')", True),
    # These are no paths of the container's.
    ("'https://example.org/tmp/x'", "https://example.org/tmp/x"),
    ("'./workspace/x'", "./workspace/x"),
    ("'/workspaces/x'", "/workspaces/x"),
    ("'/home/nodes'", "/home/nodes"),
    ("'my workspace'", "my workspace"),
    # Nothing here may be taken for the beginning of a literal.
    ("6 / 2 /* '/tmp */ / 1 // '", 3),
    ("[/['\"`/]/.test('/'), 8 / 4 / 2, '/tmp']", [True, 1, f"{RUN}/tmp"]),
    ("(() => { if (1) /'/.test('x'); return '/tmp' })()", f"{RUN}/tmp"),
    ("((a, b) => a.in / b + '/x'.length)({ in: 4 }, 2)", 4),
    ("`${{ a: '}' }.a}${'`'}/x`", "}`/x"),
    ("'\\\n/tmp'", f"{RUN}/tmp"),
]
REFUSED = {
    "import x from '/workspace/x.js'": "no expression",
    "export * from '/workspace/x.js'": "no expression",
    "x = { '/workspace': 1 }": "no expression",
    "x = { a: 1, '/tmp/x': 1 }": "no expression",
    "x = String.raw`/workspace/${y}`": "tagged template",
    "x = base + '/workspace/x'": "beginning is computed",
    "x = `${base}/workspace/x`": "beginning is computed",
    "x = '/work' + 'space/x'": "in disguise",
    "x = '\\x2fworkspace/x'": "in disguise",
    "x = '\\u{2f}home/node'": "in disguise",
    "x = ['', 'workspace', 'group'].join('/')": "part of one of the paths",
    "x = path.join('/home', 'node')": "part of one of the paths",
    "x = 'projects/-workspace-group'": "part of one of the paths",
    "x = 'file:///workspace/x'": "cannot tell",
    "x = '/workspace.bak'": "cannot tell",
    "x = /^\\/workspace\\//.test(y)": "regular expression",
    "x = y.match(/workspace\\/group/)": "regular expression",
    "x = y /workspace": "outside a string",
    "x = 'never ends": "does not end",
    "x = `never ends ${y": "does not end",
    "x = `never ends": "does not end",
    "x = `never ends\\": "does not end",
}


def node(expressions: list[str]) -> list[object]:
    """Return what node makes of each expression, HOME being a run's."""
    # A line of its own: an expression may end in a comment.
    listed = ",".join("(0,\n" + expression + "\n)" for expression in expressions)
    program = f"console.log(JSON.stringify([{listed}]))"
    done = subprocess.run(
        [shutil.which("node") or pytest.fail("node is missing"), "-"],
        input=program,
        env={"HOME": HOME},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:] + program
    value: list[object] = json.loads(done.stdout)
    return value


def test_code_means_the_same_with_other_paths() -> None:
    rewritten = [paths.rewrite_text(code) for code, _ in EXPRESSIONS]
    assert node(rewritten) == [meant for _, meant in EXPRESSIONS]


@pytest.mark.parametrize(("code", "why"), REFUSED.items())
def test_what_cannot_be_rewritten_is_refused_with_its_line(code: str, why: str) -> None:
    with pytest.raises(sealed.PathsError, match=rf"a\.js:3: .*{why}"):
        paths.rewrite_text("\n\n" + code, "a.js")


def test_comments_keep_their_words() -> None:
    code = "#!/tmp/node\n// it's /workspace\n/* `/workspace` */ const a = 1 // '/tmp'\n"
    assert paths.rewrite_text(code) == code


def test_typescript_is_told_that_home_is_set() -> None:
    assert paths.rewrite_text("const a = '/home/node';", "a.ts") == (
        "const a = (process.env.HOME!);"
    )


PLAIN = st.text(alphabet="ab /.'\"`\\$\n\u2028é", max_size=12)
PATH = st.sampled_from(["/workspace", "/home/node", "/tmp", "/workspace/ipc", "/tmp/x y"])


@st.composite
def literals(draw: st.DrawFn) -> tuple[str, str]:
    """A literal of any kind with paths in it, and the text that it means in a run."""
    meant, parts = "", []
    quote = draw(st.sampled_from("'\"`"))
    for _ in range(draw(st.integers(1, 3))):
        plain, path = draw(PLAIN).rstrip("./~-") + " ", draw(PATH) + " "
        parts.append(plain + path)
        meant += plain + path.replace("/home/node", HOME).replace("/workspace", RUN).replace(
            "/tmp", f"{RUN}/tmp"
        )
    text = "".join(parts)
    for raw, escaped in (("\\", "\\\\"), (quote, "\\" + quote), ("\n", "\\n"), ("${", "\\${")):
        text = text.replace(raw, escaped)
    return quote + text.replace("\u2028", "\\u2028") + quote, meant


@settings(max_examples=15)
@given(st.lists(literals(), min_size=20, max_size=40))
def test_any_literal_means_the_same_with_other_paths(told: list[tuple[str, str]]) -> None:
    rewritten = [paths.rewrite_text(f"[{code}, 4 / 2 / 1, /'/.source]") for code, _ in told]
    assert node(rewritten) == [[meant, 2, "'"] for _, meant in told]


@given(st.text(alphabet="ab'\"`/\\*${}()[]+:,\n;=.-", max_size=60))
def test_any_text_is_rewritten_or_refused(text: str) -> None:
    # There is no path in it: what is not refused stays as it is.
    try:
        after = paths.rewrite_text(text)
    except sealed.PathsError:
        return
    assert after == text


@pytest.fixture
def runner(tmp_path: Path) -> Path:
    """A compiled agent-runner, as small as one can be."""
    folder = tmp_path / "agent"
    (folder / "dist").mkdir(parents=True)
    (folder / "dist" / "index.js").write_text("export const DIR = '/workspace/ipc/input';\n")
    (folder / "dist" / "index.d.ts").write_text("export declare const DIR = '/workspace/ipc';\n")
    (folder / "package.json").write_text('{"type": "module"}\n')
    library = folder / "node_modules" / "sdk"
    library.mkdir(parents=True)
    (library / "cli.js").write_text("const t = '/tmp/' + name; const w = 'workspace';\n")
    (folder / "node_modules" / ".bin").mkdir()
    (folder / "node_modules" / ".bin" / "sdk").symlink_to("../sdk/cli.js")
    return folder


def test_a_folder_is_rewritten_and_sealed(runner: Path) -> None:
    (runner / "dist" / "index.js").chmod(0o755)
    manifest = paths.rewrite(str(runner))
    assert "process.env.HOME" in (runner / "dist" / "index.js").read_text()
    assert (runner / "dist" / "index.js").stat().st_mode & 0o777 == 0o755
    assert sorted(manifest) == [
        "dist/index.d.ts",
        "dist/index.js",
        "node_modules/.bin/sdk",
        "node_modules/sdk/cli.js",
        "package.json",
    ]
    sealed.verify(str(runner))
    sums = "".join(f"{manifest[name]}  {name}\n" for name in sorted(manifest))
    assert (runner / "SHA256").read_text() == sums
    files = [line for line in sums.splitlines(keepends=True) if ".bin" not in line]
    subprocess.run(
        ["sha256sum", "--check", "--strict"], input="".join(files), text=True, cwd=runner,
        check=True, capture_output=True,
    )  # fmt: skip


def _changed(folder: Path) -> None:
    with (folder / "dist" / "index.js").open("a") as file:
        file.write(" ")


def _gone(folder: Path) -> None:
    (folder / "node_modules" / "sdk" / "cli.js").unlink()


def _more(folder: Path) -> None:
    (folder / "dist" / "hook.js").write_text("")


def _led_astray(folder: Path) -> None:
    link = folder / "node_modules" / ".bin" / "sdk"
    link.unlink()
    link.symlink_to("/bin/sh")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "dist" / "pipe")


def _unsealed(folder: Path) -> None:
    (folder / "SHA256").unlink()


def _empty_seal(folder: Path) -> None:
    (folder / "SHA256").write_text("")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_changed, "dist/index.js"),
        (_gone, "node_modules/sdk/cli.js"),
        (_more, "dist/hook.js"),
        (_led_astray, "node_modules/.bin/sdk"),
        (_pipe, "dist/pipe"),
        (_unsealed, "SHA256"),
        (_empty_seal, "dist/index.js"),
    ],
)
def test_a_change_after_the_build_is_found(runner: Path, damage: object, named: str) -> None:
    paths.rewrite(str(runner))
    sealed.verify(str(runner))
    assert callable(damage)
    damage(runner)
    with pytest.raises(sealed.PathsError, match=named):
        sealed.verify(str(runner))


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("run.sh", "cd /workspace/group", "no JavaScript"),
        ("config.json", '{"dir": "/home/node/.claude"}', "no JavaScript"),
        ("dist/more.js", "const a = x + '/workspace'", "dist/more.js:1"),
        ("dist/more.js", b"const a = '\xff'", "no UTF-8"),
    ],
)
def test_one_file_that_cannot_be_rewritten_fails_the_build(
    runner: Path, name: str, text: str | bytes, why: str
) -> None:
    (runner / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(sealed.PathsError, match=why):
        paths.rewrite(str(runner))
    assert not (runner / "SHA256").exists()


def test_a_runner_without_such_paths_is_not_nanoclaws(runner: Path) -> None:
    (runner / "dist" / "index.js").write_text("export const DIR = 'x';\n")
    with pytest.raises(sealed.PathsError, match="agent-runner"):
        paths.rewrite(str(runner))
