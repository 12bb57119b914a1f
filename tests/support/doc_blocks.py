"""Code blocks of the documentation: read them, and run those of a page in one folder."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMPUTED = ("python", "sh")

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>not run|slow): (?P<reason>[^\n]+?) -->\n+)?"
    r"^```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    title: str
    """The file that it is, or '' where it is no file."""
    code: str
    mark: str
    """'' where it always runs, `slow`, or `not run`."""
    reason: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for match in _BLOCK.finditer(text):
        title = re.search(r'title="([^"]+)"', match["info"])
        line = text.count("\n", 0, match.start("language")) + 1
        blocks.append(
            Block(
                page, line, match["language"], title[1] if title else "", match["code"],
                match["mark"] or "", match["reason"] or "",
            )
        )  # fmt: skip
    return blocks


def shell_lines(code: str) -> list[str]:
    """Return the commands of a block, without comments and with joined lines."""
    lines = code.replace("\\\n", " ").splitlines()
    return [
        line
        for line in (line.partition(" # ")[0].strip() for line in lines)
        if line and line[0] != "#"
    ]


class PageRunner:
    """Runs blocks of one page in the current folder; Python blocks share one namespace."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {"__name__": "__main__"}  # as in a notebook

    def run(self, block: Block) -> None:
        """Write, check or run a block, as it is a file, TOML or code."""
        if block.title:
            Path(block.title).write_text(block.code, encoding="utf-8")
        if block.language == "toml":
            check_toml(block.code)
        elif block.language == "python":
            self._run_python(block)
        elif block.language == "sh":
            for line in shell_lines(block.code):
                run_command(line, block.place)

    def _run_python(self, block: Block) -> None:
        if block.title:  # a file is run by what names it
            compile(block.code, block.title, "exec")
            return
        file = Path(f"block_{block.line}.py").resolve()  # where inspect finds the code of classes
        file.write_text(block.code, encoding="utf-8")
        exec(compile(block.code, str(file), "exec"), self.names)


def run_command(line: str, place: str) -> None:
    """Run one command of a shell block: benchkit's, python, or cp."""
    program, *arguments = shlex.split(line)
    if ">" in arguments:
        arguments, target = arguments[: arguments.index(">")], arguments[-1]
    else:
        target = ""
    if program == "benchkit":
        output = run_benchkit(arguments, f"{place}: {line}")
        if target:
            Path(target).write_text(output, encoding="utf-8")
    elif program == "python":
        subprocess.run([sys.executable, *arguments], check=True, timeout=120)
    elif program == "cp":
        shutil.copy(*arguments)
    else:
        raise AssertionError(f"{place}: {program} is not run here; mark the block with a reason")


def run_benchkit(arguments: list[str], what: str) -> str:
    """Return what a command prints; fails unless it ends with 0."""
    from typer.testing import CliRunner

    from benchkit.cli.main import app

    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, f"{what}\n{result.output}\n{result.exception!r}"
    return result.stdout


def check_toml(text: str) -> None:
    """Check a suite or a part of one, and the engine of other settings."""
    from benchkit.cards import build_config, find_card
    from benchkit.config.loading import validate_model
    from benchkit.config.suite import Suite
    from benchkit.lm.engines import validate_engine_config

    values = tomllib.loads(text)
    if "engine" in values:
        validate_engine_config(values["engine"])
    if not values.keys() <= Suite.model_fields.keys():
        return
    base = {
        "name": "part", "title": "part", "methods": [{"method": "random"}],
        "datasets": [{"name": "toy", "source": "toy"}], "protocols": ["scored", "sampled"],
    }  # fmt: skip
    suite = validate_model(Suite, base | values, "a part of a suite")
    for row in suite.methods:
        if ".py:" not in row.method:
            build_config(find_card(row.method), row.config)
