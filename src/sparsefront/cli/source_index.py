"""The classes of the project and their settings, read from its source without an import."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sparsefront

HANDED_OVER = ("image_shape", "in_chans", "num_classes")
"""Arguments that follow from the data, and are no settings."""


@dataclass(frozen=True)
class SourceClass:
    """A class as its file has it.

    Attributes:
        name: of the class.
        ancestors: the names of all classes of the project that it inherits from, itself included.
        settings: the names that its constructor takes, in its order; None where the file alone does not say.
    """

    name: str
    ancestors: frozenset[str]
    settings: tuple[str, ...] | None


@cache
def public_names(package: str) -> tuple[str, ...]:
    """What `sparsefront.<package>` holds for everyone, its `__all__`."""
    for node in _tree(f"sparsefront.{package}").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


@cache
def public_class(package: str, name: str) -> SourceClass | None:
    """A class that `sparsefront.<package>` holds for everyone, None where that name is no class or not there."""
    return _class(f"sparsefront.{package}", name) if name in public_names(package) else None


@cache
def _class(module: str, name: str) -> SourceClass | None:
    """A class by its name in a module, which may have it from another."""
    tree = _tree(module)
    if (defined := _definition(tree, name)) is None:
        home = _imported_from(tree).get(name)
        return _class(home, name) if home is not None and home.startswith("sparsefront.") else None
    bases = [_class(module, base) for base in _base_names(defined)]
    ancestors = frozenset({name}).union(*(base.ancestors for base in bases if base is not None))
    return SourceClass(name, ancestors, _settings(defined, bases))


def _settings(defined: ast.ClassDef, bases: list[SourceClass | None]) -> tuple[str, ...] | None:
    for node in defined.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            taken = node.args
            if taken.vararg is not None or taken.kwarg is not None:
                return None
            names = [one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)][1:]
            return tuple(name for name in names if name not in HANDED_OVER)
    if any("dataclass" in ast.unparse(one) for one in defined.decorator_list):
        inherited = [name for base in reversed(bases) if base is not None for name in base.settings or ()]
        return tuple(dict.fromkeys([*inherited, *_fields(defined)]))
    return bases[0].settings if bases and bases[0] is not None else ()


def _fields(defined: ast.ClassDef) -> list[str]:
    """The names of a dataclass's own fields that its constructor takes."""
    return [
        node.target.id
        for node in defined.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and "ClassVar" not in ast.unparse(node.annotation)
        and not (node.value is not None and "init=False" in ast.unparse(node.value))
    ]


def _base_names(defined: ast.ClassDef) -> list[str]:
    return [base.id for base in defined.bases if isinstance(base, ast.Name)]


def _definition(tree: ast.Module, name: str) -> ast.ClassDef | None:
    return next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)


def _imported_from(tree: ast.Module) -> dict[str, str]:
    """By a name in a file the module that it comes from."""
    return {
        alias.asname or alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@cache
def _tree(module: str) -> ast.Module:
    place = Path(sparsefront.__file__).parent.joinpath(*module.split(".")[1:])
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))
