"""The classes of the project and their settings, read from its source without an import."""

import ast
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HANDED_OVER = ("image_shape", "in_chans", "num_classes")
"""Arguments that follow from the data, and are no settings."""


@dataclass(frozen=True)
class Setting:
    """What a constructor takes, as its file has it.

    Attributes:
        name: of the setting.
        annotation: of it, None where there is none.
        module: whose file that is, in which the annotation's names mean something.
        default: its default, None where it must be given.
    """

    name: str
    annotation: ast.expr | None
    module: str
    default: ast.expr | None = None

    @property
    def group(self) -> "SourceClass | None":
        """The dataclass of the project that groups settings under this name, alone or null in its place; else None."""
        named = [one for one in options_of(self.annotation) if not is_null(one)]
        kind = class_in(self.module, named[0].id) if len(named) == 1 and isinstance(named[0], ast.Name) else None
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
    for node in source_of(f"sparsefront.{package}").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return tuple(ast.literal_eval(node.value))
    return ()


@cache
def public_class(package: str, name: str) -> SourceClass | None:
    """A class that `sparsefront.<package>` holds for everyone, None where that name is no class or not there."""
    return class_in(f"sparsefront.{package}", name) if name in public_names(package) else None


@cache
def class_in(module: str, name: str) -> SourceClass | None:
    """A class by its name in a module, which may have it from another of the project; None where it is no class."""
    tree = source_of(module)
    if (defined := _definition(tree, name)) is None:
        home = imported_from(tree).get(name)
        return class_in(home, name) if home is not None and home.startswith("sparsefront.") else None
    bases = [class_in(module, base) for base in _base_names(defined)]
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
            defaults = defaults_of(given)
            return tuple(
                Setting(one.arg, one.annotation, module, defaults.get(one.arg))
                for one in arguments
                if one.arg not in HANDED_OVER
            )
    if is_dataclass:
        inherited = [one for base in reversed(bases) if base is not None for one in base.taken or ()]
        return tuple({one.name: one for one in [*inherited, *_fields(module, defined)]}.values())
    return bases[0].taken if bases and bases[0] is not None else ()


def _fields(module: str, defined: ast.ClassDef) -> list[Setting]:
    """A dataclass's own fields that its constructor takes."""
    return [
        Setting(node.target.id, node.annotation, module, node.value)
        for node in defined.body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and "ClassVar" not in ast.unparse(node.annotation)
        and not (node.value is not None and "init=False" in ast.unparse(node.value))
    ]


def defaults_of(taken: ast.arguments) -> dict[str, ast.expr]:
    """The defaults of a function's arguments by their names."""
    named = [one.arg for one in (*taken.posonlyargs, *taken.args)]
    last = zip(reversed(named), reversed(taken.defaults), strict=False)
    alone = zip(taken.kwonlyargs, taken.kw_defaults, strict=True)
    return {**dict(last), **{one.arg: value for one, value in alone if value is not None}}


def definition_of(kind: SourceClass) -> ast.ClassDef:
    """A class's definition in its file."""
    defined = _definition(source_of(kind.module), kind.name)
    if defined is None:
        raise LookupError(kind.name)
    return defined


@cache
def function_in(module: str, name: str) -> tuple[ast.FunctionDef, str] | None:
    """A function by its name in a module and the module it is defined in; None where it is none of the project's."""
    tree = source_of(module)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node, module
    home = imported_from(tree).get(name, "")
    return function_in(home, name) if home.startswith("sparsefront.") else None


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


def imported_from(tree: ast.Module) -> dict[str, str]:
    """The module that each name in a file comes from, by that name."""
    return {
        alias.asname or alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


@cache
def source_of(module: str) -> ast.Module:
    """The file of a module, which is not imported.

    Raises:
        OSError: there is none.
    """
    top, *below = module.split(".")
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(module)
    place = Path(spec.origin).parent.joinpath(*below)
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))
