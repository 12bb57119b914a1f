"""Code blocks of README and documentation run, or say why not."""

import re

import pytest
import typer

from tests.support.doc_blocks import COMPUTED, PAGES, ROOT, PageRunner, read_blocks, shell_lines

MOST_NOT_RUN = 16
COMMAND = re.compile(r"`(benchkit [^`]+)`")

BLOCKS = {str(page.relative_to(ROOT)): read_blocks(page) for page in PAGES}
WITH_CODE = [name for name, blocks in BLOCKS.items() if blocks]


def run_page(name, marks):
    runner = PageRunner()
    for block in BLOCKS[name]:
        if block.mark in marks:
            runner.run(block)


@pytest.mark.parametrize("name", WITH_CODE)
def test_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(name, {""})


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in WITH_CODE if any(block.mark == "slow" for block in BLOCKS[n])]
)
def test_slow_blocks_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(name, {"", "slow"})


def test_few_blocks_are_not_run_and_each_says_why():
    left_out = [block for blocks in BLOCKS.values() for block in blocks if block.mark == "not run"]
    assert all(len(block.reason.split()) >= 2 for block in left_out)
    assert len(left_out) <= MOST_NOT_RUN, [block.place for block in left_out]
    computed = [b for blocks in BLOCKS.values() for b in blocks if b.language in COMPUTED]
    assert len(computed) > 4 * len(left_out)


def test_every_block_has_a_language():
    assert [b.place for blocks in BLOCKS.values() for b in blocks if not b.language] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_their_options_exist(page):
    """Also of blocks that are not run, and of commands within sentences."""
    from benchkit.cli.main import app
    from docs.generator.commands import list_commands

    general = {text for option in typer.main.get_command(app).params for text in option.opts}
    options = {
        name: {text for parameter in command.params for text in parameter.opts}
        | {text for parameter in command.params for text in parameter.secondary_opts}
        for name, command in list_commands()
    }
    text = page.read_text(encoding="utf-8")
    lines = [line for block in read_blocks(page) for line in shell_lines(block.code)]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    wrong = []
    for line in [*lines, *(" ".join(m.split()) for m in COMMAND.findall(prose))]:
        if not line.startswith("benchkit ") or re.fullmatch(r"benchkit [A-Z]+( --help)?", line):
            continue
        words = line.split()[1:]
        for name in {words[0], " ".join(words[:2])} & options.keys():
            flags = {word.partition("=")[0] for word in words if word.startswith("--")}
            wrong += [f"{line}: {flag}" for flag in flags - options[name] - {"--help", "--keys"}]
            break
        else:
            if words[0] not in {n.split()[0] for n in options} | {*general, "--help"}:
                wrong.append(f"{line}: no such command")
    assert wrong == []
