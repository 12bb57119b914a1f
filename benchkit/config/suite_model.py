"""What all parts of a suite file have in common."""

from pydantic import BaseModel, ConfigDict


class SuiteModel(BaseModel):
    """A table of a suite file: unknown keys are refused, and nothing is changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
