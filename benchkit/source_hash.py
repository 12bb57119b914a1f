"""Hash the code that can change a number, wherever the checkout lies.

The walk starts at the files that a caller names (a method's, the harness's scoring) and follows
their imports within benchkit, within the packages that bring methods or judges to it, and within
the package that the file belongs to. Names are looked up below these few folders, so neither the
working directory nor the name of a folder above the sources has a say.
"""

import ast
import builtins
import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

# Modules of benchkit (with all below them) that cannot change a number: the walk stops there.
WITHOUT_NUMBERS = frozenset(
    f"benchkit{name}"
    for name in (
        "",  # benchkit/__init__.py alone: the list of public names
        ".api",
        ".cards",
        ".cli",
        ".console",
        ".files",
        ".errors",
        ".faults",
        ".fingerprint",
        ".interactive",
        ".io",
        ".key_access",
        ".lm.cost_estimate",
        ".lm.data_parallel",
        ".process_state",
        ".registry",
        ".report",
        ".runs",
        ".source_hash",
        ".visible_text",
    )
)


# Their texts cannot change a number. Other classes that are called so may: a loss, for one.
_ERRORS = {
    "BenchkitError", "ConfigError", "DataError", "StoreError", "MethodError", "EngineError",
    *(name for name in dir(builtins) if name.endswith("Error")),
}  # fmt: skip


def hash_sources(*start: Path) -> str:
    """Return the hash of Python files and of all first-party modules that they compute with."""
    return hashlib.sha256("\n".join(sorted(_walk(start).values())).encode()).hexdigest()[:16]


def list_local_sources(path: Path) -> list[Path]:
    """Return a file and what it imports of the files beside it or of its package.

    What is installed with benchkit is left out: it is wherever benchkit is.
    """
    installed = _catalog_folders()
    files = set()
    for file in _walk([path]):
        folder, package = _package_of(file)
        if not (package and installed.get(package[0]) == folder):
            files.add(file)
            places = [folder.joinpath(*package[:n]) for n in range(1, len(package) + 1)]
            files |= {place / "__init__.py" for place in places}
    return sorted(files)


def _walk(start: Iterable[Path]) -> dict[Path, str]:
    """Return file -> hash of files and of all first-party modules that they compute with."""
    hashes: dict[Path, str] = {}
    queue = [path.resolve() for path in start]
    while queue:
        path = queue.pop()
        if path in hashes:
            continue
        hashes[path], imports = _parse_module(path, path.stat().st_mtime_ns)
        queue += [file for name, file in imports.items() if _counts(name)]
    return hashes


def _counts(module: str) -> bool:
    """Return whether a change in `module` can change a number."""
    parents = [module]
    while "." in parents[-1]:
        parents.append(parents[-1].rpartition(".")[0])
    return module not in WITHOUT_NUMBERS and WITHOUT_NUMBERS.isdisjoint(parents[:-1])


@cache
def _parse_module(path: Path, _modified: int) -> tuple[str, Mapping[str, Path]]:
    """Return the hash of one file, and the first-party modules that it imports (name -> file)."""
    tree = _Normalizer().visit(ast.parse(path.read_text(encoding="utf-8")))
    folder, package = _package_of(path)
    roots = _catalog_folders() | ({package[0]: folder} if package else {})
    files = {}
    for candidates in _imported_names(tree, package):
        for name in candidates:  # `from a import b`: module a.b if there is one, else module a
            if file := _find_file(name, roots, None if package else folder):
                files[name] = file
                break
    return hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), files


@cache
def _catalog_folders() -> dict[str, Path]:
    """Return where benchkit lies, and each package that names a catalog: name -> parent folder."""
    folders = {"benchkit": Path(__file__).parent.parent}
    for entry in metadata.entry_points(group="benchkit.catalogs"):
        name = entry.value.partition(".")[0]
        if (spec := find_spec(name)) and spec.origin:
            folders[name] = Path(spec.origin).parent.parent
    return folders


def _package_of(path: Path) -> tuple[Path, list[str]]:
    """Return the folder that holds a file's top-level package, and the names of its packages."""
    folder, names = path.parent, list[str]()
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, names


def _imported_names(tree: ast.AST, package: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield for each import the modules that it may mean, the most specific first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name,) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{module}.{alias.name}", module) for alias in node.names)


def _find_file(name: str, roots: Mapping[str, Path], siblings: Path | None) -> Path | None:
    """Return the file of a first-party module, None for every other name.

    Args:
        name: Full name of the module.
        roots: Top-level package -> the folder that holds it.
        siblings: Folder of a file without a package, which may import the files beside it.
    """
    top = name.partition(".")[0]
    folder = roots.get(top, None if top in sys.stdlib_module_names else siblings)
    if folder is None:
        return None
    path = folder.joinpath(*name.split("."))
    for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if file.is_file():
            return file.resolve()
    return None


class _Normalizer(ast.NodeTransformer):
    """Drop from a syntax tree what cannot change a number.

    That is documentation (every string that stands alone, and descriptions of settings), what is
    imported for type checkers only, and the texts of errors.
    """

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            return None
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return _without_texts(self.generic_visit(node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in _ERRORS:
            return _without_texts(node)
        if name == "Field":
            node.keywords = [k for k in node.keywords if k.arg != "description"]
        return node


class _TextRemover(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, _node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")


def _without_texts(node: ast.AST) -> ast.AST:
    return _TextRemover().visit(node)  # type: ignore[no-any-return]


def find_kinds(settings: object) -> set[str]:
    """Return every value under the key `kind`, at any depth of JSON-like settings.

    >>> sorted(find_kinds({"engine": {"kind": "hf"}, "judges": [{"engine": {"kind": "vllm"}}]}))
    ['hf', 'vllm']
    """
    if isinstance(settings, Mapping):
        here = {settings["kind"]} if isinstance(settings.get("kind"), str) else set[str]()
        return here.union(*map(find_kinds, settings.values()))
    if isinstance(settings, Iterable) and not isinstance(settings, str):
        return set[str]().union(*map(find_kinds, settings))
    return set()
