"""The reference is whole: every public name, setting, key, command, column and field."""

import re

import pytest

import benchkit
from benchkit.cards import list_cards
from benchkit.config.setting_texts import labelled_texts, nested_models
from benchkit.config.suite import Suite, list_shipped_suites
from benchkit.data.sources import SOURCES
from benchkit.data.splits.lookup import SPLITS
from benchkit.evaluation.lookup import METRICS, PROTOCOLS
from benchkit.lm.engines import ENGINES
from benchkit.lm.teachers import TEACHERS
from benchkit.runs import records
from benchkit.runs.executors import EXECUTORS
from docs.generator import schemas, suite_keys
from docs.generator.commands import list_commands
from docs.generator.markdown import anchor, prose, table
from docs.generator.methods import config_of, shared_models
from docs.generator.pages import generate_pages

PAGES = generate_pages()
CARDS = [*list_cards("method").values(), *list_cards("judge").values()]


def section(page, name):
    """Return the text below the heading with the anchor `name`, up to the next heading."""
    parts = re.split(r"^(#+ .+)$", PAGES[page], flags=re.MULTILINE)
    (at,) = [i for i, part in enumerate(parts) if f"{{ #{name} }}" in part]
    return parts[at + 1]


def rows(text):
    """Return name -> cells of the rows of all tables in a text."""
    lines = [
        re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in text.splitlines() if line[:1] == "|"
    ]
    return {re.sub(r"[`*]", "", cells[0]): cells[1:] for cells in lines}


def test_every_public_name_is_in_the_reference():
    page = PAGES["reference/python.md"]
    for name in benchkit.__all__:
        assert f"::: benchkit.{name}\n" in page or f"`bk.{name}`" in page, name


@pytest.mark.parametrize("card", CARDS, ids=lambda card: f"{card.kind}-{card.name}")
def test_every_setting_of_every_component_is_in_the_reference(card):
    page = "reference/judges.md"
    if card.kind == "method":
        page = f"reference/methods/{anchor(card.family)}.md"
    assert f"{{ #{anchor(card.name)} }}" in PAGES[page]
    # Names of one class share the table behind the last of them.
    last = [other for other in CARDS if other.target == card.target][-1]
    described = rows(section(page, anchor(last.name)))
    for name, field in config_of(card).model_fields.items():
        kind, default, text = described[name]
        assert kind and default and text, name
        assert (default == "**required**") == field.is_required(), name
    for deviation in card.deviations:
        assert prose(deviation) in section(page, anchor(card.name))


def test_methods_of_one_class_stand_together():
    """So that the settings behind the last of them are those of all."""
    for kind in ("method", "judge"):
        targets = [card.target for card in list_cards(kind).values()]
        for target in set(targets):
            places = [i for i, other in enumerate(targets) if other == target]
            assert places == list(range(places[0], places[-1] + 1)), target


@pytest.mark.parametrize("model", shared_models(), ids=lambda model: model.__qualname__)
def test_every_setting_within_a_setting_is_in_the_reference(model):
    described = rows(section("reference/settings.md", anchor(model.__qualname__)))
    assert set(model.model_fields) <= set(described)


@pytest.mark.parametrize("model", suite_keys.TABLES, ids=lambda model: model.__qualname__)
def test_every_key_of_a_suite_is_in_the_reference(model):
    described = rows(section("reference/suite.md", anchor(model.__qualname__)))
    assert set(described) - {"setting", "---"} == set(model.model_fields)


def test_no_table_of_a_suite_is_missing():
    models = set(nested_models(Suite))
    assert models <= set(suite_keys.TABLES)


@pytest.mark.parametrize("name", [name for name, _ in list_commands()])
def test_every_option_of_every_command_is_in_the_reference(name):
    command = dict(list_commands())[name]
    text = section("reference/commands.md", anchor(name))
    for parameter in command.params:
        if parameter.name != "help" and not getattr(parameter, "hidden", False):
            assert _usage(parameter) in text


def _usage(parameter):
    if parameter.param_type_name == "argument":
        return parameter.metavar or parameter.name.upper()
    return parameter.opts[0]


@pytest.mark.parametrize("schema", schemas.TABLES)
def test_every_column_is_in_the_reference(schema):
    described = rows(section("reference/records.md", anchor(schema)))
    assert set(getattr(records, schema)) <= set(described)


@pytest.mark.parametrize("model", schemas.RECORDS, ids=lambda model: model.__qualname__)
def test_every_field_of_a_record_is_in_the_reference(model):
    described = rows(section("reference/records.md", anchor(model.__qualname__)))
    assert set(model.model_fields) <= set(described)


def test_all_parts_and_suites_are_in_the_reference():
    engines = PAGES["reference/engines.md"]
    for kind, registry in (("engine", ENGINES), ("teacher", TEACHERS), ("executor", EXECUTORS)):
        for name in registry:
            assert f"### {kind} {name} " in engines
    for kind, registry in (("source", SOURCES), ("split", SPLITS)):
        for name in registry:
            assert f"### {kind} {name} " in PAGES["reference/data.md"]
    for name in METRICS:
        assert f"`{METRICS.load(name).form()}`" in PAGES["reference/metrics.md"]
    for name in PROTOCOLS:
        assert f"### protocol {name} " in PAGES["reference/metrics.md"]
    for name in list_shipped_suites():
        assert f"{{ #{anchor(name)} }}" in PAGES["reference/suites.md"]


def test_nothing_is_without_a_text():
    empty = [
        f"{page}: {line}"
        for page, text in PAGES.items()
        for line in text.splitlines()
        if re.search(r"\|\s+\|$", line)
    ]
    assert empty == []


def test_texts_of_the_code_become_markdown():
    assert prose("a <item> of\n  `x<y>`") == "a &lt;item> of `x<y>`"
    assert table(("a", "b"), [("x|y", "z")]).splitlines()[-1] == "| x\\|y | z |"
    texts = labelled_texts("Draws. n: answers. top_k: tokens,\n    0 for all.", ["n", "top_k"])
    assert texts == {"n": "answers.", "top_k": "tokens, 0 for all."}
