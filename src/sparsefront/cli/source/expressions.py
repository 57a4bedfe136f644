"""Expressions in the source of constructors, worked out on settings without an import of what they build.

Constants, names, attributes, comparisons, arithmetic and the rules of `sparsefront.common.rules` are known; whatever
else an expression holds makes it unknown.
"""

import ast
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sparsefront.common import rules
from sparsefront.common.pixel_size import pixel_size

KNOWN: dict[str, Callable[..., Any]] = {
    **{name: value for name, value in vars(rules).items() if callable(value) and not name.startswith("_")},
    **{one.__name__: one for one in (abs, bool, float, int, len, max, min, pixel_size, tuple)},
}
"""The functions that may be called."""
_RULES = {
    name
    for name, value in vars(rules).items()
    if getattr(value, "__annotations__", {}).get("return") == list[rules.Rule]
}
"""Those of them that make a rule for each setting that they are given by name."""
_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Eq: operator.eq, ast.NotEq: operator.ne,
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_,
    ast.IsNot: operator.is_not, ast.In: lambda one, many: one in many, ast.NotIn: lambda one, many: one not in many,
}  # fmt: skip


class UnknownValueError(Exception):
    """What an expression comes to cannot be said from the settings alone."""


@dataclass
class Scope:
    """What is known within a function.

    Attributes:
        module: whose file the function is in.
        names: values of local names.
        fields: values of the attributes of `self`.
        lists: lists of rules by their local names, each of which is worked out on its own.
    """

    module: str
    names: dict[str, Any]
    fields: SimpleNamespace
    lists: dict[str, ast.List] = field(default_factory=dict)

    def value(self, node: ast.expr) -> Any:
        """What an expression comes to.

        Raises:
            UnknownValueError: it cannot be said.
            ValueError: one of the rules refused a value, in its sentence.
        """
        try:
            return self._value(node)
        except ValueError as error:
            if str(error).startswith("`"):
                raise
            raise UnknownValueError from error
        except (TypeError, AttributeError, ArithmeticError, LookupError) as error:
            raise UnknownValueError from error

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name("self"):
                return self.fields
            case ast.Name():
                return self.names[node.id]
            case ast.Attribute():
                return getattr(self._value(node.value), node.attr)
            case ast.List():
                return [one for item in node.elts for one in self._items(item)]
            case ast.Tuple():
                return tuple(one for item in node.elts for one in self._items(item))
            case ast.Dict() if None not in node.keys:
                return {
                    self._value(key): self._value(value)
                    for key, value in zip(node.keys, node.values, strict=True)
                    if key
                }
            case ast.UnaryOp(ast.Not()):
                return not self._value(node.operand)
            case ast.UnaryOp(ast.USub()):
                return -self._value(node.operand)
            case ast.BinOp():
                return _OPERATORS[type(node.op)](self._value(node.left), self._value(node.right))
            case ast.BoolOp():
                return self._either(node)
            case ast.Compare(ops=[one], comparators=[right]):
                return _OPERATORS[type(one)](self._value(node.left), self._value(right))
            case ast.Compare(ops=[one, other], comparators=[middle, right]):
                low, mid, high = map(self._value, (node.left, middle, right))
                return _OPERATORS[type(one)](low, mid) and _OPERATORS[type(other)](mid, high)
            case ast.IfExp():
                return self._value(node.body if self._value(node.test) else node.orelse)
            case ast.JoinedStr():
                return "".join(map(self._text, node.values))
            case ast.Call(ast.Name(called)):
                given = [one for item in node.args for one in self._items(item)]
                return KNOWN[called](*given, **self._keywords(node))
        raise UnknownValueError

    def _either(self, node: ast.BoolOp) -> Any:
        is_and, value = isinstance(node.op, ast.And), None
        for one in node.values:
            value = self._value(one)
            if bool(value) is not is_and:
                return value
        return value

    def _items(self, node: ast.expr) -> list[Any]:
        return list(self._value(node.value)) if isinstance(node, ast.Starred) else [self._value(node)]

    def _keywords(self, node: ast.Call) -> dict[str, Any]:
        """Of a call; what is not known of settings is left out where each has a rule of its own."""
        given: dict[str, Any] = {}
        for one in node.keywords:
            try:
                given |= self._value(one.value) if one.arg is None else {one.arg: self._value(one.value)}
            except (UnknownValueError, LookupError, AttributeError):
                if not isinstance(node.func, ast.Name) or node.func.id not in _RULES:
                    raise
        return given

    def _text(self, node: ast.expr) -> str:
        if not isinstance(node, ast.FormattedValue):
            return str(self._value(node))
        value, spec = self._value(node.value), self._text_of(node.format_spec)
        return format(repr(value) if node.conversion == ord("r") else value, spec)

    def _text_of(self, spec: ast.expr | None) -> str:
        return "" if spec is None else str(self._value(spec))
