"""Checks of a suite name the key that is wrong, and pass on what to do about it."""

from benchkit.errors import ConfigError
from benchkit.runs import validation

SUITE = """
title = "A"
protocols = ["scored"]
[[datasets]]
name = "toy"
source = "toy"
[[methods]]
method = "sft"
config = {{ {config} }}
"""


def detail(tmp_path, config):
    path = tmp_path / "a.toml"
    path.write_text(SUITE.format(config=config), encoding="utf-8")
    (check,) = validation.validate_path(path)
    assert not check.ok
    return check.detail


def test_a_nested_key_is_named_with_its_path_and_what_it_may_mean(tmp_path):
    text = detail(tmp_path, "train = { lr = 1 }")
    assert "train.lr: unknown key; did you mean 'learning_rate'?" in text


def test_all_problems_of_a_method_are_in_its_line(tmp_path):
    text = detail(tmp_path, "train = { lr = 1, epochs = -1 }")
    assert "train.lr" in text and "train.epochs" in text and "\n" not in text


def test_the_hint_is_not_lost(tmp_path, monkeypatch):
    def refuse(*_):
        raise ConfigError("server needs a key", "set the environment variable MY_KEY")

    monkeypatch.setattr(validation.cards, "build_config", refuse)
    assert "(hint: set the environment variable MY_KEY)" in detail(tmp_path, "train = {}")
