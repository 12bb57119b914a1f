"""What a reader must know of a judge, over all the runs that a table shows."""

import re
from collections.abc import Iterable, Iterator, Sequence

from benchkit.errors import DamageError
from benchkit.io import folder_name
from benchkit.runs.records import JudgementManifest
from benchkit.runs.store import Run

# What judges count of the answers of one run: how a cascade and a distilled judge put it.
_COUNT = re.compile(
    r"(?P<before>.*?)(?P<count>\d[\d,]*) of (?P<the>the )?(?P<total>\d[\d,]*)"
    r" (?P<what>(?:escalated|rationales it graded)\b.*?)(?P<share> \([\d.]+ ?%\))?",
    re.DOTALL,
)


def combine_caveats(judgements: Iterable[tuple[str, JudgementManifest]]) -> tuple[str, ...]:
    """Return the caveats of one judge's judgements of several runs.

    Counts of a run's answers are added up. What holds of some runs alone is said of their methods.

    Args:
        judgements: Method and record of each judgement.
    """
    all_methods: dict[str, None] = {}
    texts: dict[str, dict[str, None]] = {}  # caveat -> methods
    counts: dict[str, list[int]] = {}  # caveat without its numbers -> count, total
    n_runs = 0
    holders: dict[str, int] = {}
    for method, manifest in judgements:
        n_runs += 1
        all_methods[method] = None
        for caveat in manifest.caveats:
            key = caveat
            if match := _COUNT.fullmatch(caveat):
                share = "" if match["share"] is None else " ({})"
                key = f"{match['before']}{{}} of {match['the'] or ''}{{}} {match['what']}{share}"
                so_far = counts.setdefault(key, [0, 0])
                so_far[0] += _integer(match["count"])
                so_far[1] += _integer(match["total"])
            texts.setdefault(key, {})[method] = None
            holders[key] = holders.get(key, 0) + 1
    combined = []
    for key, methods in texts.items():
        if key in counts:
            count, total = counts[key]
            share = f"{100 * count / total:.1f} %" if total else "-"
            combined.append(_fill(key, f"{count:,}", f"{total:,}", share))
        elif holders[key] < n_runs:
            combined.append(f"{', '.join(methods)}: {key}")
        else:
            combined.append(key)
    return tuple(combined)


def _integer(text: str) -> int:
    return int(text.replace(",", ""))


def _fill(text: str, *values: str) -> str:
    """Put values in the places {} of a text, one after the other."""
    for value in values:
        text = text.replace("{}", value, 1)
    return text


def describe_namesakes(runs: Sequence[Run], label: str, judge_id: str) -> Iterator[str]:
    """Yield a caveat for each other judge of the same label whose grades of the runs are kept.

    Tables show one judge of a label, and what the others graded is not in them.

    Args:
        runs: The runs that the table shows.
        label: Of the judge that it shows.
        judge_id: Of that judge.
    """
    others: dict[str, JudgementManifest] = {}
    for run in runs:
        for path in run.judgement_paths():
            if not path.name.startswith(f"{folder_name(label)}-"):
                continue
            try:
                manifest = run.read_judgement(path)
            except DamageError:  # nothing to show
                continue
            if manifest is not None and manifest.label == label:
                others.setdefault(manifest.judge_id, manifest)
    others.pop(judge_id, None)
    for other in others.values():
        yield (
            f"another judge has the label {label}, too, and is not shown: {other.judge}, rubric"
            f" {other.rubric['name']}, begun {other.started}, id {other.judge_id}; to see both,"
            " judge by one of them again under a --label of its own"
        )
