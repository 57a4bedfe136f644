"""The code that a module's results follow from."""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

_OURS = {"sparsefront", "sparsecode"}  # read even where they are installed: their version alone does not say enough
_NUMBERS = ("sparsefront.frontends", "sparsefront.classifiers", "sparsefront.attacks", "sparsecode")


def code_of(part: nn.Module) -> dict[str, str]:
    """Digests of the files that define a module's classes and of all that these import; versions of what is installed.

    Args:
        part: a module; its own modules count too.

    Returns:
        By the name of a Python module its file's digest, by the name of a distribution its version.

    Raises:
        ValueError: a class that no file defines, as in a notebook.
    """
    modules = {kind.__module__ for module in part.modules() for kind in type(module).__mro__}
    nowhere = sorted(name for name in modules if not is_installed(name.split(".")[0]) and _file(name) is None)
    if nowhere:
        raise ValueError(
            f"`frontend` must be defined in a file where its results are kept, found a class of {nowhere[0]}, which "
            "none holds; move it into a module, or train without `frontend_cache.folder`."
        )
    digests, installed = _walk(modules, lambda source: hashlib.sha256(source).hexdigest())
    named = {distribution for top in installed for distribution in _distributions().get(top, [])}
    return dict(sorted(digests.items())) | {name: importlib.metadata.version(name) for name in sorted(named)}


def statements_of(kinds: Iterable[type]) -> dict[str, str]:
    """Digests of the code that classes compute with: as `code_of`, but comments and docstrings do not count.

    Of this project only the numbers count, not how runs are started and shown: front ends, classifiers, attacks and
    `sparsecode`. What is installed does not count.

    Args:
        kinds: classes.

    Returns:
        By the name of a Python module the digest of its statements.
    """
    modules = {kind.__module__ for one in kinds for kind in one.__mro__}
    digests, _ = _walk(modules, lambda source: hashlib.sha256(_statements(source).encode()).hexdigest())
    ours = {name for name in digests if name.split(".")[0] in _OURS}
    return {name: digests[name] for name in sorted(digests) if name not in ours or name.startswith(_NUMBERS)}


def _walk(modules: Iterable[str], digest: Callable[[bytes], str]) -> tuple[dict[str, str], set[str]]:
    """Digests of modules and of all that they import, and the installed packages among them."""
    ahead = set(modules)
    digests: dict[str, str] = {}
    installed: set[str] = set()
    while ahead:
        name = ahead.pop()
        if name in digests:
            continue
        top = name.split(".")[0]
        if is_installed(top):
            installed.add(top)
        elif path := _file(name):
            digests[name] = digest(path.read_bytes())
            package = name if path.name == "__init__.py" else name.rpartition(".")[0]
            ahead |= _imports(path.read_bytes(), package)
    return digests, installed


@functools.cache
def _statements(source: bytes) -> str:
    """A file's code without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body: Any = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            del body[0]
    return ast.dump(tree)


@functools.cache
def is_installed(top: str) -> bool:
    """Whether a top-level module is Python's or lies where packages are installed, and is none of ours."""
    if top in sys.stdlib_module_names and top != "__main__":
        return True
    path = _file(top)
    folders = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    return top not in _OURS and path is not None and any(path.is_relative_to(folder) for folder in folders)


def _file(name: str) -> Path | None:
    """The source of a module, imported by now or not; None where there is none of that name."""
    found = getattr(sys.modules.get(name), "__file__", None)
    if found is None and name not in sys.modules:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            spec = None
        found = spec.origin if spec else None
    path = Path(found).resolve() if found else None
    return path if path and path.is_file() and path.suffix == ".py" else None


@functools.cache
def _imports(source: bytes, package: str) -> frozenset[str]:
    """What a file of a package imports, wherever in it: modules, and names in them that may be modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(found)


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """The installed distributions that a top-level name comes from."""
    return importlib.metadata.packages_distributions()
