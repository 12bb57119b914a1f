"""pytest, which the conformance tests are written for, and an installation need not have."""

try:
    import pytest
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "benchkit's conformance tests need pytest: pip install pytest", name="pytest"
    ) from None

__all__ = ["pytest"]
