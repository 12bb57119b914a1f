"""What the command line and a notebook both call; `import benchkit as bk` has its names."""

from benchkit.api.comparison import Comparison, compare
from benchkit.api.datasets import Dataset
from benchkit.api.execution import run, show_progress
from benchkit.api.judgement import (
    JudgingPlan,
    describe_judging,
    execute_judging,
    judge,
    plan_judging,
    read_judge_settings,
)
from benchkit.api.plans.planned_runs import PlannedRun, plan
from benchkit.api.plans.printed_plan import print_plan
from benchkit.api.results import Results
from benchkit.api.run_report import RunReport
from benchkit.api.stored_results import load_results

__all__ = [
    "Comparison",
    "Dataset",
    "JudgingPlan",
    "PlannedRun",
    "Results",
    "RunReport",
    "compare",
    "describe_judging",
    "execute_judging",
    "judge",
    "load_results",
    "plan",
    "plan_judging",
    "print_plan",
    "read_judge_settings",
    "run",
    "show_progress",
]
