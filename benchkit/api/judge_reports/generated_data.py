"""Whether what a judge is shown are answers to generated data, which every table of it says."""

from typing import TYPE_CHECKING

from benchkit.data.dataset_statistics import is_marked_synthetic

if TYPE_CHECKING:
    from benchkit.api.judgement import JudgingPlan


def judges_generated_data(planned: "JudgingPlan", task: str = "") -> bool:
    """Return whether the answers, all or those of a task, are to generated data.

    So it is where the suite's title or a dataset says so.
    """
    record = planned.store.plan(planned.name)
    title = planned.suite.title if record is None else record.title
    specs = [run.dataset_spec for run in planned.targets if task in ("", run.manifest.task)]
    return is_marked_synthetic(title) or any(
        spec.synthetic or spec.demo_users is not None for spec in specs
    )
