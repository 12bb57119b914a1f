"""What a check of the installation says."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InstallationCheck:
    """The result of one check."""

    subject: str
    ok: bool
    detail: str
    reason: str = ""
    hint: str = ""
    required: bool = False
    """Whether benchkit does not work at all without it."""
