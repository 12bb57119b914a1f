"""Pairs of answers to annotate: two methods on one case, in an order that a seed decides."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from benchkit import seeds
from benchkit.errors import ConfigError
from benchkit.judging.annotation import page
from benchkit.judging.annotation.batch_key import (
    BatchKey,
    KeySide,
    KeyStratum,
    PairItem,
    write_batch_files,
)
from benchkit.judging.annotation.population import GradedAnswer, Population
from benchkit.judging.annotation.stratified_sample import assign_to_annotators, even_shares
from benchkit.judging.rubric import Criterion, Rubric

FIRST_BETTER: Final = 1
TIE: Final = 2
SECOND_BETTER: Final = 3
PREFERENCE = Rubric(
    name="preference",
    title="Which explanation is better?",
    source="benchkit: pairs of answers to one case, with ties",
    criteria=(
        Criterion(
            name="preference",
            low=FIRST_BETTER,
            high=SECOND_BETTER,
            description="Which explanation would help this customer more to decide on its item?",
            levels={
                FIRST_BETTER: "A is better",
                TIE: "A tie: both are equally good, or equally bad",
                SECOND_BETTER: "B is better",
            },
        ),
    ),
    system="Compare two explanations.",
    user="{history} {item} {rationale}",
)
_Pair = tuple[GradedAnswer, GradedAnswer]
_Stratum = tuple[str, str, str, str]  # suite, task, and two methods


@dataclass(frozen=True)
class PairBatch:
    """A key, and the pairs that its ids stand for, each in the order of the page."""

    key: BatchKey
    pairs: Mapping[str, _Pair]

    def pages(self) -> dict[str, str]:
        """Return annotator -> HTML; it says of no answer whose it is."""
        items = {identifier: pair_item(identifier, pair) for identifier, pair in self.pairs.items()}
        return {
            annotator: page.render_annotation_page(
                self.key.batch, annotator, self.key.rubric, [items[i] for i in ids], pairs=True
            )
            for annotator, ids in self.key.annotators.items()
        }

    def write(self, folder: Path) -> list[Path]:
        """Write key.json and <annotator>.html; return their paths."""
        return write_batch_files(self.key, self.pages(), folder)


def make_pair_batch(
    population: Population, n: int, annotators: int, overlap: float = 1.0, seed: int = 0
) -> PairBatch:
    """Draw pairs of answers to the same case by two methods, and assign them to annotators.

    Every task and pair of methods gets as many pairs as any other, as far as it has them; which
    cases, and which method is A, is decided by a hash of the seed for each case.

    Args:
        population: The answers to draw from.
        n: How many pairs to draw, at most.
        annotators: Number of annotators.
        overlap: Share of the pairs that every annotator sees.
        seed: Seed of all draws.

    Raises:
        ConfigError: No two methods answered one case, or there are fewer pairs than annotators.
    """
    strata = _find_pairs(population.answers)
    if not strata:
        raise ConfigError(
            "no two methods have judged answers to the same case", "judge a second method"
        )
    sizes = [len(pairs) for pairs in strata.values()]
    numbers = _whole_numbers(sizes, min(n, sum(sizes)), seed)
    if sum(numbers) < annotators:
        raise ConfigError(
            f"{sum(numbers)} pairs for {annotators} annotators", "ask for more, or fewer"
        )
    shown: dict[str, _Pair] = {}
    key_pairs: dict[str, PairItem] = {}
    key_strata = []
    for (name, pairs), number in zip(strata.items(), numbers, strict=True):
        for pair in _shuffle(pairs, seed)[:number]:
            identifier = _opaque_id(pair, seed)
            shown[identifier] = _turn(pair, seed)
            key_pairs[identifier] = _key_pair(shown[identifier], len(pairs) / number)
        key_strata.append(_key_stratum(name, len(pairs), number))
    hands = assign_to_annotators(list(shown), annotators, overlap, seed)
    names = {f"annotator-{number}": tuple(hand) for number, hand in enumerate(hands, start=1)}
    key = BatchKey(
        batch=_batch_hash(shown, names),
        seed=seed,
        asked=n,
        overlap=overlap,
        scheme="pairs: even over tasks and pairs of methods; sides shuffled for each case",
        rubric=PREFERENCE,
        rubric_hash=PREFERENCE.hash,
        annotators=names,
        judges={},
        strata=tuple(key_strata),
        items={},
        pairs=dict(sorted(key_pairs.items())),
    )
    return PairBatch(key, shown)


def pair_item(identifier: str, pair: _Pair) -> dict[str, Any]:
    """Return what a page shows of a pair: A, then B."""
    sides = [{"title": answer.title, "rationale": answer.rationale} for answer in pair]
    return {"id": identifier, "history": list(pair[0].history), "sides": sides}


def _find_pairs(answers: Sequence[GradedAnswer]) -> dict[_Stratum, list[_Pair]]:
    """Return the pairs of each task and two methods; of several runs of a method, the first."""
    by_case: dict[tuple[str, str, str], dict[str, GradedAnswer]] = {}
    for answer in answers:
        place = answer.suite, answer.task, answer.case_id
        by_case.setdefault(place, {}).setdefault(answer.method, answer)
    strata: dict[_Stratum, list[_Pair]] = {}
    for (suite, task, _), methods in sorted(by_case.items()):
        for first, second in combinations(sorted(methods), 2):
            stratum = suite, task, first, second
            strata.setdefault(stratum, []).append((methods[first], methods[second]))
    return dict(sorted(strata.items()))


def _whole_numbers(sizes: Sequence[int], total: int, seed: int) -> list[int]:
    """Divide `total` evenly over strata, none getting more than it has; remainders by the seed."""
    shares = even_shares(sizes, Fraction(total))
    numbers = [int(share) for share in shares]
    waiting = [i for i, share in enumerate(shares) if share > numbers[i]]
    waiting.sort(key=lambda i: seeds.derive("pairs", seed, "round", i))
    for i in waiting[: total - sum(numbers)]:
        numbers[i] += 1
    return numbers


def _shuffle(pairs: Sequence[_Pair], seed: int) -> list[_Pair]:
    return sorted(pairs, key=lambda pair: seeds.derive("pairs", seed, "draw", *_names(pair)))


def _turn(pair: _Pair, seed: int) -> _Pair:
    """Return the pair in the order of the page."""
    is_turned = seeds.derive("pairs", seed, "side", *_names(pair)) % 2
    return (pair[1], pair[0]) if is_turned else pair


def _names(pair: _Pair) -> tuple[str, ...]:
    return (*pair[0].key, *pair[1].key)


def _opaque_id(pair: _Pair, seed: int) -> str:
    text = "\x1f".join((str(seed), *_names(pair)))
    return "p" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _batch_hash(pairs: Mapping[str, _Pair], annotators: Mapping[str, tuple[str, ...]]) -> str:
    """Hash all that annotators see, in order. It never looks like a number to a spreadsheet."""
    items = [pair_item(identifier, pair) for identifier, pair in sorted(pairs.items())]
    text = json.dumps([PREFERENCE.hash, annotators, items], sort_keys=True)
    return "b" + hashlib.sha256(text.encode()).hexdigest()[:15]


def _key_pair(pair: _Pair, weight: float) -> PairItem:
    first, second = (
        KeySide(method=answer.method, run_id=answer.run_id, item=answer.item) for answer in pair
    )
    return PairItem(
        suite=pair[0].suite, task=pair[0].task, case_id=pair[0].case_id, user=pair[0].user,
        shown=(first, second), weight=weight,
    )  # fmt: skip


def _key_stratum(name: _Stratum, size: int, number: int) -> KeyStratum:
    suite, task, first, second = name
    return KeyStratum(
        suite=suite, task=task, method=f"{first} / {second}", grade=None, size=size, share=number,
        drawn=number,
    )  # fmt: skip
