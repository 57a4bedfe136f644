"""The rules of a constructor, tried on settings without an import of what it builds."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from sparsefront.cli.source.expressions import KNOWN, Scope, UnknownValueError
from sparsefront.cli.source.index import SourceClass, class_in, defaults_of, definition_of, function_in
from sparsefront.common.rules import check_rules

_Function = tuple[ast.FunctionDef, str]  # and the module whose file it is in


class _Ends(Exception):  # noqa: N818
    """The function returns, or nobody knows whether it does."""


def check_source_rules(kind: SourceClass, settings: Mapping[str, Any]) -> None:
    """Try what a class's constructor demands of its settings, as far as its source tells it.

    Statements that cannot be followed are passed over, and so is what depends on them.

    Args:
        kind: the class.
        settings: their values, as its constructor would get them; of one that groups others a namespace. What is not
            known is left out.

    Raises:
        ValueError: a rule that does not hold, in the constructor's sentence.
    """
    fields = SimpleNamespace(**(settings if kind.is_dataclass else {}))
    walk = _Walk(kind, fields)
    begins = walk.method("__post_init__" if kind.is_dataclass else "__init__", 0)
    if begins is not None:
        walk.run(begins, settings)


class _Walk:
    """A walk through a constructor and what it calls.

    Args:
        kind: the class whose constructor it is.
        fields: the attributes of `self`, which become more on the way.
    """

    def __init__(self, kind: SourceClass, fields: SimpleNamespace) -> None:
        self.fields = fields
        self.line = list(_line(kind))
        self.depth = 0

    def method(self, name: str, first: int) -> _Function | None:
        """A method by its name, of the class or of what it inherits from, the first so many classes left out."""
        for defined, module in self.line[first:]:
            for node in defined.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return node, module
        return None

    def run(self, function: _Function, given: Mapping[str, Any]) -> None:
        """Follow a function with what is known of its arguments."""
        if self.depth > 8:
            return
        self.depth += 1
        node, module = function
        try:
            self._follow(node.body, Scope(module, dict(given), self.fields), node)
        except _Ends:
            pass
        finally:
            self.depth -= 1

    def _follow(self, body: Sequence[ast.stmt], scope: Scope, inside: ast.FunctionDef) -> None:
        for node in body:
            match node:
                case ast.Assign(targets=[target]):
                    self._assign(target, node.value, scope)
                case ast.AnnAssign(target=target, value=ast.expr() as value):
                    self._assign(target, value, scope)
                case ast.Expr(ast.Call() as call):
                    self._call(call, scope, inside)
                case ast.If():
                    self._branch(node, scope, inside)
                case ast.FunctionDef():
                    scope.names.pop(node.name, None)
                case ast.Raise(ast.Call(ast.Name("ValueError"), [sentence])):
                    raise ValueError(self._said(sentence, scope))
                case ast.Raise():
                    raise _Ends
                case _:
                    _forget(node, scope)

    def _said(self, sentence: ast.expr, scope: Scope) -> str:
        try:
            return str(scope.value(sentence))
        except UnknownValueError:
            raise _Ends from None

    def _assign(self, target: ast.expr, value: ast.expr, scope: Scope) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
            for one, its in zip(target.elts, value.elts, strict=True):
                self._assign(one, its, scope)
            return
        _forget(target, scope)
        if isinstance(target, ast.Name) and isinstance(value, ast.List):
            scope.lists[target.id] = value
        try:
            known = scope.value(value)
        except UnknownValueError:
            return
        if isinstance(target, ast.Name):
            scope.names[target.id] = known
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self":
            setattr(self.fields, target.attr, known)

    def _branch(self, node: ast.If, scope: Scope, inside: ast.FunctionDef) -> None:
        try:
            holds = scope.value(node.test)
        except UnknownValueError:
            _forget(node, scope)
            return
        self._follow(node.body if holds else node.orelse, scope, inside)

    def _call(self, call: ast.Call, scope: Scope, inside: ast.FunctionDef) -> None:
        match call.func:
            case ast.Name("check_rules"):
                _try_rules(_each_rule(call.args[0], scope), scope)
            case ast.Name(name) if name not in KNOWN:
                self._go_into(function_in(scope.module, name), call, scope)
            case ast.Attribute(ast.Name("self"), name):
                self._go_into(self.method(name, 0), call, scope)
            case ast.Attribute(ast.Call(ast.Name("super")), name):
                at = next(i for i, (defined, _) in enumerate(self.line) if inside in defined.body)
                self._go_into(self.method(name, at + 1), call, scope)

    def _go_into(self, function: _Function | None, call: ast.Call, scope: Scope) -> None:
        if function is None or any(isinstance(one, ast.Starred) for one in call.args):
            return
        taken = function[0].args
        names = [one.arg for one in (*taken.posonlyargs, *taken.args) if one.arg != "self"]
        pairs = [*zip(names, call.args, strict=False), *((one.arg, one.value) for one in call.keywords if one.arg)]
        given = {name: known for name, value in pairs for known in _known(value, scope)}
        left = {name: value for name, value in defaults_of(taken).items() if name not in dict(pairs)}
        self.run(function, given | {name: known for name, value in left.items() for known in _known(value, scope)})


def _known(value: ast.expr, scope: Scope) -> list[Any]:
    """The value of an expression alone, nothing where it cannot be said."""
    try:
        return [scope.value(value)]
    except UnknownValueError:
        return []


def _line(kind: SourceClass) -> Iterator[tuple[ast.ClassDef, str]]:
    """A class and what it inherits from, the nearest first, with the modules of their files."""
    defined = definition_of(kind)
    yield defined, kind.module
    for base in defined.bases:
        inherited = class_in(kind.module, base.id) if isinstance(base, ast.Name) else None
        if inherited is not None:
            yield from _line(inherited)


def _each_rule(node: ast.expr, scope: Scope) -> list[ast.expr]:
    """The rules of a list, or of a name that stands for one; an expression that makes them, as the only one."""
    if isinstance(node, ast.Name) and node.id in scope.lists:
        node = scope.lists[node.id]
    return node.elts if isinstance(node, ast.List) else [ast.Starred(node)]


def _try_rules(listed: Sequence[ast.expr], scope: Scope) -> None:
    """Try rules in their order; one that is not known may refuse what it looks at, so those after it let that be."""
    doubtful: set[str] = set()
    for node in listed:
        looks_at = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
        looks_at |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - {"self", *KNOWN}
        if doubtful & looks_at:
            continue
        try:
            made = scope.value(node.value if isinstance(node, ast.Starred) else ast.List([node]))
            check_rules(made)
        except (UnknownValueError, TypeError):
            doubtful |= looks_at - {"image_shape"}


def _forget(node: ast.AST, scope: Scope) -> None:
    """What a statement may set that is not followed is unknown from now on, and all that follows if it may return.

    If it raises an error the constructor refuses too, in whichever words.
    """
    for one in ast.walk(node):
        if isinstance(one, ast.Return):
            raise _Ends
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
            scope.names.pop(one.id, None)
            scope.lists.pop(one.id, None)
        elif isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store):
            vars(scope.fields).pop(one.attr, None)
