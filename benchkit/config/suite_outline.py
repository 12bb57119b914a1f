"""Look at a suite without running the code that it names: for `validate` and `run --dry-run`."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchkit.config.demo import demo_suite, split_demo_name
from benchkit.config.suite import Suite, make_suite, read_suite_values
from benchkit.config.suite_code import CodeReference, find_code, leave_out_code


@dataclass(frozen=True)
class SuiteOutline:
    """A suite whose own code was not run (`benchkit.config.suite_code`).

    Attributes:
        suite: The suite; parts of benchkit stand in for those whose code is its own.
        code: What it names of code.
    """

    suite: Suite
    code: tuple[CodeReference, ...]

    def unknown_rows(self) -> dict[str, CodeReference]:
        """Return label -> code of the rows of which nothing is known."""
        references = {ref.place[1]: ref for ref in self.code if ref.place[0] == "methods"}
        return {
            method.name: references[index]
            for index, method in enumerate(self.suite.methods)
            if index in references
        }

    def unknown_tasks(self) -> dict[str, CodeReference]:
        """Return name -> code of the tasks whose run ids are not known."""
        suite_wide = [r for r in self.code if r.place[0] not in ("methods", "datasets", "tasks")]
        suite_wide = [ref for ref in suite_wide if ref.place[0] != "judging"]
        by_place = {(ref.place[0], ref.place[1]): ref for ref in self.code if len(ref.place) > 1}
        datasets = {dataset.name: ("datasets", i) for i, dataset in enumerate(self.suite.datasets)}
        unknown = {}
        for index, task in enumerate(self.suite.tasks):
            names = (task.test, task.train or task.test, *task.train_by_family.values())
            places = [("tasks", index), *(datasets[name] for name in names)]
            references = [by_place[place] for place in places if place in by_place] + suite_wide
            if references:
                unknown[task.name] = references[0]
        return unknown


def outline_suite(name: str, changes: Sequence[str] = ()) -> SuiteOutline:
    """Return a suite by name or path without running code of its own, to look at it.

    Args:
        name: The name, or the path.
        changes: Values to change; see `benchkit.config.changes`.

    Raises:
        ConfigError: The suite is wrong.
    """
    name, demo_users = split_demo_name(name)
    path, values = read_suite_values(name, changes)
    code = tuple(find_code(values)) if name.endswith(".toml") or changes else ()
    if code:
        values = leave_out_code(values, code)
    suite = make_suite(name, path, values)
    return SuiteOutline(suite if demo_users is None else demo_suite(suite, demo_users), code)
