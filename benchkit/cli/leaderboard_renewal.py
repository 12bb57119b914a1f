"""The written leaderboard of a suite, after a command that is not `run` changed its results."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchkit.console import echo, echo_files
from benchkit.io import folder_name

if TYPE_CHECKING:
    from benchkit.api.results import Results


def renew_leaderboard(results: "Results", leaderboards: Path, store: Path) -> None:
    """Write the suite's tables again where there are some; else say what writes them."""
    if (leaderboards / folder_name(results.suite)).is_dir():
        echo_files(results.write(leaderboards))
    else:
        command = f"benchkit report --suite {results.suite} --out {store}"
        echo(f"see: {command} (--leaderboards {leaderboards} writes files)")
