"""The memory of this machine, and which runs do not fit it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from benchkit.runs.estimates.cost_texts import format_megabytes
from benchkit.runs.estimates.expected_costs import ExpectedCosts, Forecast

_MB = 2**20


def measure_free_memory(root: Path = Path("/")) -> float | None:
    """Return the memory that processes can still have here, in MB; None where that is unknown.

    Within a control group (a container, a batch job) that is no more than its limit leaves.

    Args:
        root: Where `proc` and `sys` lie.
    """
    free = [_read_free(root / "proc/meminfo")]
    try:
        group = (root / "proc/self/cgroup").read_text(encoding="utf-8")
    except OSError:
        group = ""
    for line in group.splitlines():
        _, controllers, name = [*line.split(":", 2), "", ""][:3]
        mount = root / "sys/fs/cgroup"
        if controllers == "memory":
            mount /= "memory"
        elif controllers:
            continue
        folder = mount / name.lstrip("/")
        # In a container the name may be that of the host, and the limits lie at the mount itself.
        for place in (folder, *folder.parents):
            free.append(_read_group(place))
            if place == mount:
                break
    known = [amount for amount in free if amount is not None]
    return min(known) / _MB if known else None


def _read_free(meminfo: Path) -> float | None:
    try:
        lines = meminfo.read_text(encoding="utf-8").splitlines()
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        return float(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError, IndexError):
        return None


def _read_group(folder: Path) -> float | None:
    """Return what a control group leaves; file pages that can be dropped are free."""
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            most = float((folder / limit).read_text(encoding="utf-8"))  # or "max"
            current = float((folder / usage).read_text(encoding="utf-8"))
            lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
            stat = dict(line.split(" ", 1) for line in lines if " " in line)
            return max(0.0, most - current + float(stat.get("inactive_file", 0)))
        except (OSError, ValueError):
            continue
    return None


def find_memory_problems(
    costs: Mapping[str, ExpectedCosts], free_mb: float | None, workers: int = 1
) -> Iterator[tuple[str, str]]:
    """Yield (row, what is wrong and what to do) for each row that is not expected to fit.

    Args:
        costs: What rows are expected to cost, by their titles.
        free_mb: Memory that is free; None where that is unknown.
        workers: Runs at a time.
    """
    needs = {title: cost.memory_mb for title, cost in costs.items() if cost.memory_mb is not None}
    if free_mb is None:
        return
    largest = sorted((memory.value for memory in needs.values()), reverse=True)[:workers]
    for title, memory in needs.items():
        beside = list(largest)
        # The largest that can be under way with it: it is one of them, or takes the last place.
        beside.remove(memory.value if memory.value in beside else beside[-1])
        if problem := _describe_problem(memory, sum(beside), free_mb):
            yield title, problem


def _describe_problem(memory: Forecast, beside_mb: float, free_mb: float) -> str:
    """Return why a run may not fit, and what to do; empty where it fits.

    Args:
        memory: Of the run.
        beside_mb: Of the runs beside it.
        free_mb: Memory that is free.
    """
    room = f"the {format_megabytes(free_mb)} that are free"
    if memory.value > free_mb:
        return (
            f"is expected to take {format_megabytes(memory.value)}, more than {room}; hint: leave"
            " it out with --method, or run it on a larger machine"
        )
    if memory.value + beside_mb > free_mb:
        return (
            f"may take {format_megabytes(memory.value + beside_mb)} with the runs beside it, more"
            f" than {room}; hint: run fewer at a time, with --jobs 1"
        )
    if memory.high > free_mb:
        return (
            f"may take up to {format_megabytes(memory.high)}, more than {room}; hint: end other"
            " programs first"
        )
    return ""
