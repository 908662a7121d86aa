"""Small faults that are put into a program's source, one at a time: what mutation testing plants.

The mutations are those of mutmut and cosmic-ray: another comparison, the other boolean, a number
more, a word changed, a condition negated, a statement left out, None returned. Left alone: types,
decorators, docstrings, assertions, and the words of an error that is raised.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.Add, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitXor: ast.BitOr, ast.Pow: ast.Mult,
}  # fmt: skip
#: Swapping these is negating: a condition made of one is negated once only.
SAME_AS_NOT: Final = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
MARK: Final = "XX"


@dataclass(frozen=True)
class Site:
    """A place and what is done to it. `plant` changes the tree that the site was found in.

    `within` is whether it lies in a function, so that it counts only when that runs.
    """

    line: int
    what: str
    within: bool
    plant: Callable[[], None]


def sites(tree: ast.Module) -> list[Site]:
    """Return all places of a module, in the order of its lines; the same for the same text."""
    found = list(_walk(tree, within=False))
    return sorted(found, key=lambda site: (site.line, site.what))


def mutated(source: str, number: int) -> ast.Module:
    """Return the module with its `number`th mutation. Raises IndexError when it has fewer."""
    tree = ast.parse(source)
    sites(tree)[number].plant()
    return ast.fix_missing_locations(tree)


def _walk(node: ast.AST, *, within: bool) -> Iterator[Site]:
    if isinstance(node, ast.Assert):
        return
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_comment", "format_spec"}:
            continue
        if isinstance(node, ast.Raise) and name in {"exc", "cause"}:
            continue
        children = value if isinstance(value, list) else [value]
        inside = within or (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and name == "body"
        )
        for place, child in enumerate(children):
            if not isinstance(child, ast.AST) or _is_text(child):
                continue
            put = _putter(node, name, place if isinstance(value, list) else None)
            yield from _at(child, node, name, put, within=inside)
            yield from _walk(child, within=inside)


def _putter(node: ast.AST, name: str, place: int | None) -> Callable[[ast.AST], None]:
    def put(new: ast.AST) -> None:
        if place is None:
            setattr(node, name, new)
        else:
            getattr(node, name)[place] = new

    return put


def _is_text(node: ast.AST) -> bool:
    """Tell whether it is a docstring, or a string that stands by itself."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _at(
    node: ast.AST, parent: ast.AST, name: str, put: Callable[[ast.AST], None], *, within: bool
) -> Iterator[Site]:
    """Yield what can be done to this node itself."""
    line = getattr(node, "lineno", getattr(parent, "lineno", 0))

    def site(what: str, new: ast.AST) -> Site:
        return Site(line, what, within, lambda: put(ast.copy_location(new, node)))

    if name in {"test", "ifs"} and isinstance(node, ast.expr) and not _negated_anyway(node):
        yield site(f"not ({ast.unparse(node)})", ast.UnaryOp(ast.Not(), node))
    if isinstance(node, ast.stmt):
        yield from _statement(node, site)
    elif isinstance(node, ast.Constant):
        yield from _constant(node, site)
    elif isinstance(node, ast.Compare):
        yield from _comparison(node, line, within=within)
    elif isinstance(node, ast.BoolOp):
        other: ast.boolop = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        yield site(f"{ast.unparse(node)}: the other of and/or", ast.BoolOp(other, node.values))
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        new = ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
        yield site(f"{ast.unparse(node)}: {type(new.op).__name__}", new)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield site(f"{ast.unparse(node)}: without its sign", node.operand)


def _negated_anyway(test: ast.expr) -> bool:
    if isinstance(test, ast.UnaryOp):
        return isinstance(test.op, ast.Not)
    return (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], SAME_AS_NOT)
    )


def _statement(node: ast.stmt, site: Callable[[str, ast.AST], Site]) -> Iterator[Site]:
    left_out = (ast.Raise, ast.Continue, ast.Break, ast.AugAssign, ast.Expr)
    if isinstance(node, left_out):
        yield site(f"left out: {_short(node)}", ast.Pass())
    elif isinstance(node, ast.Return) and not _is_none(node.value):
        yield site(f"{_short(node)}: None", ast.Return(ast.Constant(None)))


def _is_none(value: ast.expr | None) -> bool:
    return value is None or (isinstance(value, ast.Constant) and value.value is None)


def _constant(node: ast.Constant, site: Callable[[str, ast.AST], Site]) -> Iterator[Site]:
    value = node.value
    if isinstance(value, bool):
        yield site(f"{value}: {not value}", ast.Constant(not value))
    elif isinstance(value, (int, float)):
        yield site(f"{value}: one more", ast.Constant(value + 1))
    elif isinstance(value, str):
        yield site(f"{value[:40]!r}: {MARK} before it", ast.Constant(MARK + value))
    elif isinstance(value, bytes):
        yield site(f"{value[:40]!r}: changed", ast.Constant(MARK.encode() + value))


def _comparison(node: ast.Compare, line: int, *, within: bool) -> Iterator[Site]:
    for place, op in enumerate(node.ops):

        def plant(place: int = place, op: ast.cmpop = op) -> None:
            node.ops[place] = COMPARISONS[type(op)]()

        what = f"{ast.unparse(node)}: {COMPARISONS[type(op)].__name__}"
        yield Site(line, what, within, plant)


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:70]
