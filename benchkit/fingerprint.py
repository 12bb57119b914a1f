"""What a run id is made of, and what else is recorded so that a number can be traced.

The id is a hash of everything that can change a number: data, frozen cases, the code and the
hyper-parameters of the method, the versions of the packages that it names, seed, decoding, device
and threads. Code is hashed as a syntax tree without documentation, so a comment changes nothing.
"""

import ast
import hashlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

_RECORDED_PACKAGES = ("benchkit", "numpy", "scipy", "polars", "torch", "transformers", "peft", "trl", "vllm",
          "recbole", "scikit-learn")  # fmt: skip


def hash_json(value: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of a canonical hash of JSON-like data."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def canonical_settings(config: "BaseModel | None") -> dict[str, Any]:
    """Hyper-parameters as JSON; a file among them (a Path) stands as the hash of its content, so
    that neither its name nor its folder matters. A file that is not there is None."""
    if config is None:
        return {}
    dumped = config.model_dump(mode="json")
    return {name: _with_contents(getattr(config, name), dumped[name]) for name in dumped}


def _with_contents(value: Any, dumped: Any) -> Any:
    """`dumped`, what became of `value` in JSON, with contents for paths."""
    if isinstance(value, Path):
        return {"sha256": _hash_file(value)}
    if hasattr(value, "model_dump"):
        return {name: _with_contents(getattr(value, name), dumped[name]) for name in dumped}
    if isinstance(value, Mapping):
        return {str(name): _with_contents(part, dumped[str(name)]) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_contents(*pair) for pair in zip(value, dumped, strict=True)]
    return dumped


def _hash_file(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def package_versions(distributions: Iterable[str]) -> dict[str, str | None]:
    """Distribution -> installed version, None where it is absent."""
    return {name: _version(name) for name in distributions}


def hash_sources(start: Path) -> str:
    """Hash of a module file and of all modules of its own package and of benchkit it imports."""
    files: dict[str, str] = {}
    todo = [start]
    while todo:
        path = todo.pop()
        if str(path) in files:
            continue
        tree_hash, imported = _parse_module(path, path.stat().st_mtime_ns)
        files[str(path)] = tree_hash
        todo += imported
    return hash_json({"trees": sorted(files.values())})


@cache
def _parse_module(path: Path, _modified: int) -> tuple[str, list[Path]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_documentation(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    found = (_find_first_party_file(name, path) for name in sorted(names))
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest(), [p for p in found if p]


def _is_documentation(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _find_first_party_file(name: str, importer: Path) -> Path | None:
    """File of module `name` if it belongs to benchkit or to the importer's own package."""
    top = name.partition(".")[0]
    if top != "benchkit" and top not in importer.parts:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return None  # `from module import attribute`: the name is no module
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


@cache
def collect_provenance() -> dict[str, Any]:
    """Versions, git revision and hardware: recorded beside every run, no part of its id."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "packages": {k: v for k, v in package_versions(_RECORDED_PACKAGES).items() if v},
        "git": _git_revision(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _git_revision() -> str | None:
    """Commit of the benchkit sources, with '+' if files were changed; None outside a checkout."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> str:
        return subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
