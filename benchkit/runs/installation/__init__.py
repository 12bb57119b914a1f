"""Check what is installed and what is missing, with what to do about it."""

from collections.abc import Sequence
from pathlib import Path

from benchkit.count_text import count_text
from benchkit.runs.installation.check import InstallationCheck
from benchkit.runs.installation.machine import check_machine
from benchkit.runs.installation.packages import check_packages


def check_installation(
    data: Path = Path("data"), store: Path = Path("runs")
) -> list[InstallationCheck]:
    """Check all that benchkit and its methods need, in the order of importance.

    Args:
        data: Folder of prepared and raw data.
        store: The run store.
    """
    return [*check_packages(), *check_machine(data, store)]


def summarize_installation(checks: Sequence[InstallationCheck]) -> tuple[bool, str]:
    """Return whether benchkit works, and the verdict in a sentence."""
    broken = [check.subject for check in checks if check.required and not check.ok]
    if broken:
        return False, f"benchkit does not work: {', '.join(broken)} missing"
    optional = [check for check in checks if not check.required]
    missing = [check.subject for check in optional if not check.ok]
    if not missing:
        return True, "benchkit works, and nothing that is optional is missing"
    count = f"{len(missing)} of {count_text(len(optional), 'optional part')}"
    return True, f"benchkit works; without {count}: {', '.join(missing)}"
