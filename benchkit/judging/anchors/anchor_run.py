"""Draw anchors from the runs of a suite, and let a version of a judge grade them."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchkit import seeds
from benchkit.errors import ConfigError, DataError, EngineError, MethodError, StoreError
from benchkit.judging.anchors.anchor_file import Anchor, AnchorSet, AnchorVersion
from benchkit.judging.judge_context import read_run_answers, select_inputs
from benchkit.judging.judge_job import JudgeJob
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.probes.probe_run import judge_by_key
from benchkit.judging.verdicts import SCORED, JudgeInput
from benchkit.lm.cost_estimate import sum_usage
from benchkit.lm.generation_cache import ask_again_since
from benchkit.runs.progress import utc_timestamp
from benchkit.types import Catalog, RunContext

_MIN_ANCHORS = 2


def draw_anchors(
    job: JudgeJob, runs: Sequence[JudgeableRun], count: int, seed: int = 0
) -> tuple[AnchorSet, int]:
    """Draw `count` answers that need a judge, as many of each method, at random.

    Returns:
        The anchors, fewer than `count` where there are not so many answers, and how many there are.

    Raises:
        ConfigError: The runs are of several tasks.
        StoreError: There are fewer than two such answers.
    """
    tasks = sorted({run.manifest.task for run in runs})
    if len(tasks) > 1:
        raise ConfigError(
            f"anchors are of one task, not of {', '.join(tasks)}", "name one with --dataset"
        )
    queues = []
    catalog = Catalog((), {"title": ()})
    for run in runs:
        catalog, answers = read_run_answers(job, run)
        inputs = select_inputs(job.judge.rubric, answers)
        order = seeds.generator("anchors", seed, run.manifest.label).permutation(len(inputs))
        name = f"{run.manifest.label} #{run.manifest.seed}" * bool(run.manifest.seed)
        queues.append((name or run.manifest.label, [inputs[i] for i in order]))
    drawn: list[tuple[str, JudgeInput]] = []
    depth = max((len(inputs) for _, inputs in queues), default=0)
    for place in range(depth):
        drawn += [(name, inputs[place]) for name, inputs in queues if place < len(inputs)]
    available = len(drawn)
    drawn = drawn[:count]
    if len(drawn) < _MIN_ANCHORS:
        raise StoreError("there are no answers that need a judge", "judge runs with rationales")
    anchors = tuple(_make_anchor(name, judge_input) for name, judge_input in drawn)
    scale = catalog.rating_scale
    anchor_set = AnchorSet(
        rubric=job.judge.rubric.name,
        rubric_hash=job.judge.rubric.hash,
        rating_scale=None if scale is None else (scale.low, scale.high, scale.is_binary),
        titles={item: catalog.text(item) for item in _list_items(anchors)},
        anchors=anchors,
    )
    return anchor_set, available


def judge_anchors(
    anchors: AnchorSet, job: JudgeJob, context: RunContext, name: str = ""
) -> AnchorSet:
    """Return the anchors with what this version of a judge says of them.

    It is asked anew, also where the same questions were answered before: a server may have put
    another model under the same name.

    Raises:
        ConfigError: The judge has another rubric, or there is such a version already.
        DataError: The judge gave a grade that the rubric does not have.
        EngineError: Too many anchors lack an answer of the judge's engine.
    """
    judge = job.judge
    if judge.rubric.hash != anchors.rubric_hash:
        raise ConfigError(
            f"the anchors were graded by rubric {anchors.rubric!r}, and this judge has"
            f" {judge.rubric.name!r}" + " in other words" * (judge.rubric.name == anchors.rubric),
            "give the judge the same rubric, or draw new anchors into another file",
        )
    judged = utc_timestamp()
    name = name.strip() or f"{', '.join(judge.models) or job.spec.name} {judged}"
    if name in {version.name.strip() for version in anchors.versions}:
        raise ConfigError(f"there is a version {name!r} already", "give another --name")
    inputs = [anchor.judge_input() for anchor in anchors.anchors]
    with ask_again_since(time.time()):
        try:
            run = replace(context, catalog=anchors.catalog())
            verdicts = judge_by_key(judge, inputs, run, noun="anchor")
        except EngineError:
            raise
        except MethodError as error:
            raise DataError(f"version {name!r}: {error.cause}", error.hint) from error
    grades = {key: dict(v.grades) for key, v in verdicts.items() if v.status == SCORED}
    version = AnchorVersion(
        name=name,
        judge=job.spec.judge,
        models=judge.models,
        judged=judged,
        grades=grades,
        caveats=tuple(judge.caveats),
        usage=sum_usage(verdict.usage for verdict in verdicts.values()),
    )
    return anchors.model_copy(update={"versions": (*anchors.versions, version)})


def _make_anchor(method: str, judge_input: JudgeInput) -> Anchor:
    request = judge_input.request
    return Anchor(
        key=f"{judge_input.key} / {method}",
        method=method,
        user=request.user,
        history=tuple((e.item, e.rating, e.review) for e in request.history),
        candidates=request.candidates,
        item=judge_input.item,
        rationale=judge_input.rationale,
        target=judge_input.target,
    )


def _list_items(anchors: Iterable[Anchor]) -> list[str]:
    items: dict[str, None] = {}
    for anchor in anchors:
        shown = [item for item, _, _ in anchor.history]
        shown += [*anchor.candidates, anchor.item, *([anchor.target] if anchor.target else [])]
        items |= dict.fromkeys(shown)
    return list(items)
