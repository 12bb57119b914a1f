"""`benchkit ls methods NAME` and its like: one thing with all that it has, whole at any width."""

import json

import pytest

from benchkit.cards import find_card, load_class
from benchkit.errors import ConfigError
from tests.support.command_line import said


def flat(text):
    return " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_method_has_card_settings_capabilities_and_reference(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    text = said("ls", "methods", "ease")
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    card = find_card("ease")
    for part in (card.summary, f"Reference: {card.paper}", "Capabilities: cold_users, scores"):
        assert part in flat(text)
    assert "l2 number > 0 = 500.0 Regularisation lambda." in flat(text)
    for name, field in load_class(card).Config.model_fields.items():
        assert f"{name}  " in text and str(field.default) in text


def test_json_has_the_same_and_the_defaults_of_the_name():
    (entry,) = json.loads(said("ls", "methods", "ease", "--json"))
    assert entry["name"] == "ease" and entry["capabilities"] == ["cold_users", "scores"]
    assert entry["settings"][0] == {
        "name": "l2", "type": "number > 0", "default": "500.0", "text": "Regularisation lambda.",
    }  # fmt: skip


def test_a_name_under_a_pattern_has_what_it_fixes():
    (entry,) = json.loads(said("ls", "methods", "recbole/STAMP", "--json"))
    assert {s["name"]: s["default"] for s in entry["settings"]}["model"] == '"STAMP"'


def test_a_class_of_ones_own_is_shown_and_a_broken_one_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(
        "class Rec:\n    capabilities = frozenset({'scores'})\n"
        "    def fit(self, data, run): ...\n    def predict(self, requests, run): ...\n"
    )
    text = said("ls", "methods", "my.py:Rec")
    assert "Capabilities: scores" in text and "It has no settings." in text
    assert "cannot be read" in said("ls", "methods", "my.py:Other")


def test_a_judge_has_its_settings():
    text = flat(said("ls", "judges", "heuristic"))
    assert 'rubric text = "rationale-0-3"' in text and "Capabilities" not in text


@pytest.mark.parametrize("kind", ["sources", "datasets"])
def test_a_source_has_its_options(kind):
    text = flat(said("ls", kind, "steam"))
    assert "folder text required Folder, or zip, with the published files." in text
    assert 'rate_within "item" or "user" or "none" = "item"' in text
    assert "Datasets of shipped suites: " in text and "recpo4: steam" in text
    with pytest.raises(ConfigError, match="unknown dataset source"):
        said("ls", kind, "steem")


def test_a_list_that_is_too_wide_for_a_table_is_paragraphs(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = said("ls", "suites")
    assert "…" not in text and "    title: Amazon Reviews 2023" in text
    monkeypatch.setenv("COLUMNS", "140")
    assert said("ls", "sources").splitlines()[0].split() == ["source", "what"]
