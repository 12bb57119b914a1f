"""What to run of a suite, and how."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from benchkit.config.repeats import MOST_SEED
from benchkit.config.suite import MethodSpec
from benchkit.errors import ConfigError, check_unique
from benchkit.processes.confinement import require_confinement
from benchkit.runs.executors import JobExecutor
from benchkit.runs.job import Overwrite
from benchkit.runs.settings.profiles import PROFILES, Profile

_MOST_THREADS = 4096
_DEVICE = re.compile(r"(cpu|cuda|mps|xpu|npu|hpu|mlu|musa|xla)(:\d{1,4})?")  # as torch calls them


@dataclass(frozen=True)
class RunOptions:
    """What to run of a suite, and how. Empty tuples mean all that the suite names."""

    methods: tuple[str | MethodSpec, ...] = ()
    """Labels of the suite, or any method that benchkit can find."""
    datasets: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    limit_users: int | None = None
    """Ask only so many users; such runs belong to a suite of their own, `<suite>@<n>users`."""
    jobs: int = 1
    """Runs at a time."""
    executor: str | JobExecutor = ""
    """Where runs are computed; see `benchkit.runs.executors.make_executor`."""
    executor_options: tuple[str, ...] = ()
    """Values of the executor's Config, each as NAME=VALUE."""
    threads: int = 1
    """Threads of one run; part of its id, because it can change the last digits of a number."""
    device: str = "cpu"
    overwrite: Overwrite = "never"
    confine: bool = False
    """Keep the processes of methods from reading the answer keys and the store (Linux)."""
    profile: Profile = "auto"
    """Whether the suite's models are used; see `benchkit.runs.settings.profiles`."""
    store: Path = Path("runs")
    data: Path = Path("data")

    def __post_init__(self) -> None:
        """Check what no command line has checked. Raises ConfigError."""
        for name, value, least in (
            ("jobs", self.jobs, 1), ("threads", self.threads, 1),
            ("limit_users", self.limit_users, 1), *(("seed", seed, 0) for seed in self.seeds),
        ):  # fmt: skip
            whole = hasattr(value, "__index__") and not isinstance(value, bool)
            if value is not None and (not whole or value < least):
                raise ConfigError(f"{name} must be a whole number from {least} on, not {value!r}")
        if self.threads > _MOST_THREADS:
            raise ConfigError(
                f"{self.threads} threads are more than any machine has", "--threads 1"
            )
        if not _DEVICE.fullmatch(str(self.device)):
            raise ConfigError(f"there is no device {self.device!r}", "cpu, cuda, cuda:1, mps, ...")
        check_unique("seed", self.seeds)
        if any(seed > MOST_SEED for seed in self.seeds):
            raise ConfigError(f"seed {max(self.seeds)} is too large", f"at most {MOST_SEED}")
        for name, choice, choices in (
            ("overwrite", self.overwrite, get_args(Overwrite)),
            ("profile", self.profile, ("auto", *PROFILES)),
        ):
            if choice not in choices:
                raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {choice!r}")
        if self.confine:
            require_confinement()

    @property
    def is_full_suite(self) -> bool:
        """Whether all that the suite names is run."""
        return not (self.methods or self.datasets or self.seeds)
