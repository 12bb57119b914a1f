"""Which contract classes pytest collects, and which cards of a catalog they test."""

import contextlib
import inspect

import pytest

from benchkit import cards


def collect_contracts(session, folder, contract):
    """Return the subclasses of `contract` that pytest collects in the test files of a folder."""
    found = []
    for path in sorted(folder.glob("test_*.py")):
        nodes = pytest.Module.from_parent(session, path=path).collect()
        classes = [node.obj for node in nodes if isinstance(node, pytest.Class)]
        found += [cls for cls in classes if issubclass(cls, contract)]
    return found


def untested_methods(contracts):
    """Return the installed methods that none of the contract classes makes."""
    made = []
    for contract in contracts:
        with contextlib.suppress(pytest.skip.Exception):
            made.append(contract().make())
    return [
        name
        for name, card in cards.list_cards().items()
        if "*" not in name and not card.missing_packages and not any(_is_of(x, card) for x in made)
    ]


def untested_judges(contracts):
    """Return the judges that no contract class names in its `make`, which may need fixtures."""
    made = set()
    for contract in contracts:
        names = [*contract.make.__code__.co_names]
        module = contract.make.__globals__
        helpers = [module[n] for n in names if inspect.isfunction(module.get(n))]
        names += [name for helper in helpers for name in helper.__code__.co_names]
        made |= {module.get(name) for name in names if inspect.isclass(module.get(name))}
    return [
        name
        for name, card in cards.list_cards("judge").items()
        if cards.load_class(card) not in made
    ]


def _is_of(recommender, card):
    """Whether a recommender is of the card's class and has the words and flags the card fixes.

    Numbers may differ: a contract has smaller ones, to be done in seconds.
    """
    if type(recommender) is not cards.load_class(card):
        return False
    fixed = {k: v for k, v in card.config.items() if isinstance(v, str | bool)}
    config = getattr(recommender, "config", None)
    settings = config.model_dump(mode="json") if config is not None else {}
    return all(settings.get(key) == value for key, value in fixed.items())
