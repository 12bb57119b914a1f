"""Check suites, catalogs and run stores."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchkit import cards
from benchkit.cards import Card
from benchkit.config.suite import MethodSpec, Suite, list_shipped_suites
from benchkit.config.suite_code import find_code
from benchkit.config.suite_files import locate_config
from benchkit.config.suite_outline import outline_suite
from benchkit.count_text import count_text
from benchkit.errors import BenchkitError, ConfigError
from benchkit.runs.settings.profiles import PROFILES, apply_profile
from benchkit.runs.store_validation import ValidationCheck, check_store


def validate_path(path: Path | None = None) -> Iterator[ValidationCheck]:
    """Check a suite file, a catalog file or a run store; without a path, all that is shipped."""
    if path is None:
        for name in list_shipped_suites():
            yield from _check_suite(name)
        listed = [*cards.list_cards().values(), *cards.list_cards("judge").values()]
        yield from _check_cards(listed, run_code=True)
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
    """Check a suite; code that it names is looked at, and not run."""
    try:
        outline = outline_suite(name)
    except BenchkitError as error:
        yield ValidationCheck(f"suite {name}", False, str(error))
        return
    suite = outline.suite
    wrong = [f"{ref.key}: {ref.problem}" for ref in outline.code if ref.problem]
    for method in _rows_of_all_profiles(suite, wrong):
        if method.name in outline.unknown_rows():
            continue
        try:
            config = locate_config(suite, method.config, Path("data"), method.name)
            cards.build_config(cards.find_card(method.method), config)
        except BenchkitError as error:
            if (problem := f"{method.name}: {error.line}") not in wrong:
                wrong.append(problem)
    for judge in suite.judging.judges if suite.judging else ():
        try:
            config = locate_config(suite, judge.config, Path("data"), judge.name)
            cards.build_config(cards.find_card(judge.judge, "judge"), config)
        except BenchkitError as error:
            wrong.append(f"{judge.name}: {error.line}")
    what = f"suite {suite.name}: {count_text(len(suite.tasks), 'task')},"
    what += f" {count_text(len(suite.methods), 'method')}"
    code = [f"not run: {ref.key} = {ref.target}" for ref in outline.code]
    yield ValidationCheck(what, not wrong, "; ".join([*wrong, *code]))


def _rows_of_all_profiles(suite: Suite, wrong: list[str]) -> list[MethodSpec]:
    """Return the rows with the models of each profile; add to `wrong` what is wrong with those."""
    rows: list[MethodSpec] = []
    try:
        for profile in PROFILES if suite.models else PROFILES[:1]:
            rows += apply_profile(suite, profile).methods
    except ConfigError as error:
        wrong.append(error.line)
    return rows


def _check_cards(to_check: Iterable[Card], run_code: bool = False) -> Iterator[ValidationCheck]:
    """Check cards; `run_code`: also those whose code is of no package that benchkit knows."""
    for card in to_check:
        what = f"{card.kind} {card.name}"
        if not run_code and (code := list(find_code({"method": card.target}))):
            problems = [ref.problem for ref in code if ref.problem]
            yield ValidationCheck(what, not problems, "; ".join(problems) or "its code is not run")
            continue
        try:
            if "*" in card.name or card.kind == "judge":  # judges have settings without a default
                cards.load_class(card)
            else:
                cards.build_config(card, {})
        except BenchkitError as error:
            yield ValidationCheck(what, False, error.line)
        else:
            yield ValidationCheck(what, True)
