"""Check suites, catalogs and run stores."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchkit import cards
from benchkit.cards import Card
from benchkit.config.suite import list_shipped_suites, load_suite
from benchkit.errors import BenchkitError, ConfigError
from benchkit.runs.store_validation import ValidationCheck, check_store


def validate_path(path: Path | None = None) -> Iterator[ValidationCheck]:
    """Check a suite file, a catalog file or a run store; without a path, all that is shipped."""
    if path is None:
        for name in list_shipped_suites():
            yield from _check_suite(name)
        yield from _check_cards([*cards.list_cards().values(), *cards.list_cards("judge").values()])
    elif path.is_dir():
        yield from check_store(path)
    elif path.name == "catalog.toml":
        yield from _check_cards(cards.read_catalog(path).values())
    elif path.suffix == ".toml":
        yield from _check_suite(str(path))
    else:
        raise ConfigError(
            f"{path}: cannot be checked",
            "give a suite (.toml), a catalog.toml, or the folder of a run store",
        )


def _check_suite(name: str) -> Iterator[ValidationCheck]:
    try:
        suite = load_suite(name)
    except BenchkitError as error:
        yield ValidationCheck(f"suite {name}", False, str(error))
        return
    wrong = []
    for method in suite.methods:
        try:
            cards.build_config(cards.find_card(method.method), method.config)
        except BenchkitError as error:
            wrong.append(f"{method.name}: {error.cause}")
    for judge in suite.judging.judges if suite.judging else ():
        try:
            cards.build_config(cards.find_card(judge.judge, "judge"), judge.config)
        except BenchkitError as error:
            wrong.append(f"{judge.name}: {error.cause}")
    what = f"suite {suite.name}: {len(suite.tasks)} tasks, {len(suite.methods)} methods"
    yield ValidationCheck(what, not wrong, "; ".join(wrong))


def _check_cards(to_check: Iterable[Card]) -> Iterator[ValidationCheck]:
    for card in to_check:
        what = f"{card.kind} {card.name}"
        try:
            if "*" in card.name or card.kind == "judge":  # judges have settings without a default
                cards.load_class(card)
            else:
                cards.build_config(card, {})
        except BenchkitError as error:
            yield ValidationCheck(what, False, error.cause)
        else:
            yield ValidationCheck(what, True)
