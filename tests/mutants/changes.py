"""The changes that are made to a module, found in its syntax tree and written into its text. Pure."""

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
}
WORD = re.compile(r"[a-z][a-z0-9_]{1,23}")
"""Texts that are keys, codes or names. Other texts are for people to read, and no test has to quote them."""
UNPROVEN = ("logger", "logging", "warnings")
"""Calls of these say something to operators; that they are left out is not a fault of behaviour."""


INSIDE = (ast.stmt, ast.excepthandler, ast.match_case)
DECLARING = ("annotation", "returns", "decorator_list", "type_params")


class Change(NamedTuple):
    """A change of one place: ``start`` and ``end`` are offsets in the bytes of the module, ``line`` counts from 1."""

    line: int
    start: int
    end: int
    old: str
    new: str

    def applied(self, source: bytes) -> bytes:
        """Return the module with this change, every other line where it was."""
        lines = "\n" * self.old.count("\n")
        return source[: self.start] + f"{self.new}{lines}".encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{' '.join(self.old.split())[:90]}  ->  {' '.join(self.new.split())[:90]}"


def changes_of(source: bytes) -> list[Change]:
    """Return every change of a module, by place."""
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    found = []
    for node, new in _replaced(ast.parse(source)):
        start = lines[node.lineno - 1] + node.col_offset
        end = lines[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        old = source[start:end].decode()
        found.append(Change(node.lineno, start, end, old, new))
    return sorted(set(found))


def imports_of(source: bytes) -> set[str]:
    """Return the names with dots that a file imports, and the modules that it imports names from."""
    found = set[str]()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


class Statement(NamedTuple):
    """A statement without its body: its lines, the names that it reads, and those by which others reach what it makes.

    The latter are the names that it binds and those of the classes and functions that it belongs to.
    """

    first: int
    last: int
    reads: frozenset[str]
    makes: frozenset[str]


def statements_of(source: bytes) -> list[Statement]:
    """Return every statement of a module, outer ones before those inside them.

    Coverage notes a statement of several lines at some of them only.
    """
    return list(_statements(ast.parse(source), frozenset(), local=False))


def _statements(node: ast.AST, around: frozenset[str], *, local: bool) -> Iterator[Statement]:
    for child in ast.iter_child_nodes(node):
        inside, inner = around, local or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        if isinstance(child, ast.stmt):
            names = [name for part in _run(child) if not isinstance(part, INSIDE) for name in ast.walk(part)]
            reads = {name.attr if isinstance(name, ast.Attribute) else name.id for name in names if _reads(name)}
            makes = {name.id for name in names if isinstance(name, ast.Name) and not _reads(name) and not local}
            if isinstance(child, ast.ImportFrom):
                reads, makes = {name.name for name in child.names}, {name.asname or name.name for name in child.names}
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                inside |= {child.name}
            body = getattr(child, "body", None)
            last = max(child.lineno, body[0].lineno - 1) if body else child.end_lineno or 0
            yield Statement(child.lineno, last, frozenset(reads), inside | makes)
        if isinstance(child, INSIDE):
            yield from _statements(child, inside, local=inner)


def _reads(node: ast.AST) -> TypeGuard[ast.Name | ast.Attribute]:
    return isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)


def _replaced(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield each node below ``node`` that can be changed, with its new text; not what is checked before it runs."""
    for child in _run(node):
        if isinstance(child, ast.expr | ast.stmt):
            for new in _changed(child):
                yield child, new if isinstance(child, ast.stmt | ast.Constant) else f"({new})"
        yield from _replaced(child)


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the children that run: no annotations, decorators, options of classes, docstrings, or pieces of texts."""
    for name, value in ast.iter_fields(node):
        declares = name in DECLARING or (name == "keywords" and isinstance(node, ast.ClassDef))
        if not declares and not isinstance(node, ast.JoinedStr):
            children = value if isinstance(value, list) else [value]
            yield from (child for child in children if isinstance(child, ast.AST) and not _is_declared(child))


def _is_declared(node: ast.AST) -> bool:
    """Return whether this is a docstring, an import, a name of types, or a line of a log."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Subscript(value=ast.Name(id="Literal" | "Annotated")) | ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name in UNPROVEN
    return False


def _changed(node: ast.expr | ast.stmt) -> Iterator[str]:
    match node:
        case ast.Compare(ops=[op], left=left, comparators=[right]):
            for other in COMPARED[type(op)]:
                yield ast.unparse(ast.Compare(left, [other()], [right]))
        case ast.BoolOp(op=op, values=values):
            yield ast.unparse(ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield ast.unparse(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in COMPUTED:
            yield ast.unparse(ast.BinOp(left, COMPUTED[type(op)](), right))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield ast.unparse(ast.IfExp(test, orelse, body))
        case ast.Constant(value=bool() as value):
            yield str(not value)
        case ast.Constant(value=int() as number):
            yield str(number + 1)
        case ast.Constant(value=str() as text) if WORD.fullmatch(text):
            yield repr(f"{text}_x")
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield "return None"
        case ast.Expr(value=ast.Call() | ast.Await(value=ast.Call())):
            yield "pass"
