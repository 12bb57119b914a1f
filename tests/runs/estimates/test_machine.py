"""The memory that is free, and what does not fit it."""

import pytest

from benchkit.runs.estimates.expected_costs import ExpectedCosts, Forecast
from benchkit.runs.estimates.machine import find_memory_problems, measure_free_memory


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8192 kB\n"}


def group(folder, limit, usage, names=("memory.max", "memory.current")):
    stat = "anon 5\ninactive_file 1048576\n"
    return {
        f"sys/fs/cgroup/{folder}{name}": text
        for name, text in zip((*names, "memory.stat"), (limit, usage, stat), strict=True)
    }


def test_without_a_group_all_that_is_available_is_free(tmp_path):
    assert measure_free_memory(tmp_path) is None
    write(tmp_path, MEMINFO)
    assert measure_free_memory(tmp_path) == 8


@pytest.mark.parametrize("folder", ["a/b/", "a/", ""])
def test_the_limit_of_any_group_above_counts(tmp_path, folder):
    write(tmp_path, {**MEMINFO, "proc/self/cgroup": "0::/a/b\n"})
    write(tmp_path, group(folder, "5242880\n", "3145728\n"))
    assert measure_free_memory(tmp_path) == 5 - 3 + 1  # a MB of file pages can be dropped


def test_a_group_without_limit_and_one_of_version_1(tmp_path):
    write(tmp_path, {**MEMINFO, "proc/self/cgroup": "0::/a\n"} | group("a/", "max\n", "5\n"))
    assert measure_free_memory(tmp_path) == 8
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    write(tmp_path, {"proc/self/cgroup": "5:cpu:/x\n4:memory:/job\n"})
    write(tmp_path, group("memory/job/", "4194304\n", "3145728\n", names))
    assert measure_free_memory(tmp_path) == 2


def needs(**megabytes):
    return {
        name: ExpectedCosts(memory_mb=Forecast(value=mb, low=mb / 1.2, high=mb * 1.2), basis="x")
        for name, mb in megabytes.items()
    }


def test_runs_that_do_not_fit_are_named():
    costs = {**needs(small=100, large=900), "unknown": ExpectedCosts()}
    assert dict(find_memory_problems(costs, None)) == {}
    assert dict(find_memory_problems(costs, 2000)) == {}
    ((name, problem),) = find_memory_problems(costs, 1000)
    assert name == "large" and "may take up to 1,080 MB" in problem and "hint:" in problem
    ((name, problem),) = find_memory_problems(costs, 500)
    assert name == "large" and "expected to take 900 MB, more than the 500 MB" in problem


def test_side_by_side_only_the_largest_that_can_meet_count():
    costs = needs(a=300, b=300, c=200, d=100)
    assert dict(find_memory_problems(costs, 700, workers=2)) == {}
    assert set(dict(find_memory_problems(costs, 550, workers=2))) == {"a", "b"}
    problems = dict(find_memory_problems(costs, 450, workers=2))
    assert set(problems) == {"a", "b", "c"} and "--jobs 1" in problems["c"]
    assert "take 500 MB with the runs beside it" in problems["c"]
    assert len(dict(find_memory_problems(costs, 850, workers=9))) == 4
