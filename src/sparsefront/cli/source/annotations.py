"""What annotations in the source of the project and of Lightning mean, as far as they are of plain kinds."""

import ast
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Union

from sparsefront.cli.source.index import imported_from, source_of

_PLAIN: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "tuple": tuple, "list": list}
_OURS = "sparsefront."


def plain_annotation(annotation: ast.expr | None, module: str) -> Any:
    """What an annotation means: int, float, bool, str, Literal, null, and unions, tuples, lists and sequences of them.

    Args:
        annotation: as its file has it.
        module: whose file that is.

    Raises:
        LookupError: it is of another kind, or none.
    """
    if isinstance(annotation, ast.Constant) and annotation.value is None:
        return type(None)
    if isinstance(annotation, ast.Constant) and annotation.value is ...:
        return ...  # of a tuple of any length
    if isinstance(annotation, ast.Name):
        return _named(annotation.id, module)
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return Union[plain_annotation(annotation.left, module), plain_annotation(annotation.right, module)]  # noqa: UP007
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.value, ast.Name):
        inner = annotation.slice
        return _subscripted(annotation.value.id, inner.elts if isinstance(inner, ast.Tuple) else [inner], module)
    raise LookupError("none" if annotation is None else ast.unparse(annotation))


def _named(name: str, module: str) -> Any:
    """A plain kind, or what the module or the one that it imports the name from lets it stand for."""
    if name in _PLAIN:
        return _PLAIN[name]
    tree = source_of(module)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return plain_annotation(node.value, module)
    home = imported_from(tree).get(name, "")
    if not home.startswith(_OURS):
        raise LookupError(name)
    return _named(name, home)


def _subscripted(name: str, inner: Sequence[ast.expr], module: str) -> Any:
    if name == "Literal":
        return Literal[tuple(map(_literal, inner))]
    if name == "Annotated":
        return Annotated[(plain_annotation(inner[0], module), *map(_literal, inner[1:]))]
    kinds: dict[str, Callable[[tuple[Any, ...]], Any]] = {
        "tuple": lambda meant: tuple[meant],  # type: ignore[valid-type]
        "list": lambda meant: list[meant],  # type: ignore[valid-type]
        "Sequence": lambda meant: Sequence[meant],  # type: ignore[valid-type]
        "Optional": lambda meant: Union[(*meant, None)],
        "Union": lambda meant: Union[meant],  # noqa: UP007
    }
    if name not in kinds:
        raise LookupError(name)
    return kinds[name](tuple(plain_annotation(one, module) for one in inner))


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise LookupError(ast.unparse(node)) from None
