"""A method that changes the harness when its file is read."""

from benchkit.evaluation import scoring
from tests.support.cheats import Cheat

if __name__.startswith("benchkit_file_"):  # as a method, and not as a module of tests
    scoring.compute_metrics = None


class PatchesAtImport(Cheat):
    door = "code that runs when the file is read: that is in a process of its own, too"
