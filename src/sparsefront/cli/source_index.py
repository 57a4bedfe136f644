"""The classes of the project and their settings, read from its source without an import."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sparsefront

HANDED_OVER = ("image_shape", "in_chans", "num_classes")
"""Arguments that follow from the data, and are no settings."""


@dataclass(frozen=True)
class Setting:
    """What a constructor takes, as its file has it.

    Attributes:
        name: of the setting.
        annotation: of it, None where there is none.
        module: whose file that is, in which the annotation's names mean something.
    """

    name: str
    annotation: ast.expr | None
    module: str

    @property
    def group(self) -> "SourceClass | None":
        """The dataclass of the project that groups settings under this name, alone or null in its place; else None."""
        named = [one for one in options_of(self.annotation) if not is_null(one)]
        kind = _class(self.module, named[0].id) if len(named) == 1 and isinstance(named[0], ast.Name) else None
        return kind if kind is not None and kind.is_dataclass else None


@dataclass(frozen=True)
class SourceClass:
    """A class as its file has it.

    Attributes:
        name: of the class.
        module: whose file that is.
        ancestors: the names of all classes of the project that it inherits from, itself included.
        taken: what its constructor takes, in its order; None where the file alone does not say.
        is_dataclass: whether its fields are what its constructor takes.
    """

    name: str
    module: str
    ancestors: frozenset[str]
    taken: tuple[Setting, ...] | None
    is_dataclass: bool

    @property
    def settings(self) -> tuple[str, ...] | None:
        """The names of what its constructor takes; None where the file alone does not say."""
        return None if self.taken is None else tuple(setting.name for setting in self.taken)

    @property
    def known(self) -> dict[str, tuple[str, ...]]:
        """The names of its settings and, of one that groups others, the names of these."""
        groups = {setting.name: setting.group for setting in self.taken or ()}
        return {name: (group.settings or ()) if group is not None else () for name, group in groups.items()}


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
    is_dataclass = any("dataclass" in ast.unparse(one) for one in defined.decorator_list)
    taken = _taken(module, defined, bases, is_dataclass)
    return SourceClass(name, module, ancestors, taken, is_dataclass)


def _taken(
    module: str, defined: ast.ClassDef, bases: list[SourceClass | None], is_dataclass: bool
) -> tuple[Setting, ...] | None:
    for node in defined.body:
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            given = node.args
            if given.vararg is not None or given.kwarg is not None:
                return None
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs][1:]
            return tuple(Setting(one.arg, one.annotation, module) for one in arguments if one.arg not in HANDED_OVER)
    if is_dataclass:
        inherited = [one for base in reversed(bases) if base is not None for one in base.taken or ()]
        return tuple({one.name: one for one in [*inherited, *_fields(module, defined)]}.values())
    return bases[0].taken if bases and bases[0] is not None else ()


def _fields(module: str, defined: ast.ClassDef) -> list[Setting]:
    """A dataclass's own fields that its constructor takes."""
    return [
        Setting(node.target.id, node.annotation, module)
        for node in defined.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and "ClassVar" not in ast.unparse(node.annotation)
        and not (node.value is not None and "init=False" in ast.unparse(node.value))
    ]


def options_of(annotation: ast.expr | None) -> list[ast.expr]:
    """What a union allows, one by one; of another annotation itself, of none nothing."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return [*options_of(annotation.left), *options_of(annotation.right)]
    return [] if annotation is None else [annotation]


def is_null(option: ast.expr) -> bool:
    """Whether that is `None`."""
    return isinstance(option, ast.Constant) and option.value is None


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
