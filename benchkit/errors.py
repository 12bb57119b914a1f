"""Errors that a user can mend: each names the cause and, as `mend`, what to do about it."""


class BenchkitError(Exception):
    """Base of all errors shown to a user without a traceback.

    `exit_code` is what the command line returns for it (listed in the README).
    """

    exit_code = 2

    def __init__(self, cause: str, mend: str = "") -> None:
        super().__init__(cause, mend)
        self.cause = cause
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.cause}\n  mend: {self.mend}" if self.mend else self.cause


class ConfigError(BenchkitError):
    """A suite, a method name or a hyper-parameter is wrong."""


class DataError(BenchkitError):
    """The data at hand cannot be read or does not say what a dataset must say."""

    exit_code = 3


class StoreError(BenchkitError):
    """The run store cannot be read or written."""

    exit_code = 4


class MethodError(BenchkitError):
    """A recommender raised, or returned something that is no prediction."""

    exit_code = 1


class EngineError(MethodError):
    """A language model could not be asked: no model, no server, no budget."""
