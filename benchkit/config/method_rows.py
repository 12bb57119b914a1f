"""Rows of a suite in all the forms that Python code gives them."""

from benchkit.config.loading import validate_model
from benchkit.config.suite import MethodSpec
from benchkit.interactive import register_object


def make_method_spec(method: object) -> MethodSpec:
    """Turn anything that names a method into a row of a suite.

    Args:
        method: A name, `FILE.py:Class`, a `MethodSpec` (or a dict of its fields), a recommender
            class, or a recommender that is constructed but not fitted.

    Raises:
        ConfigError: It is none of these.
    """
    if isinstance(method, MethodSpec):
        return method
    if isinstance(method, str):
        return MethodSpec(method=method)
    if isinstance(method, dict):
        values = dict(method)
        if isinstance(values.get("method"), str) or "method" not in values:
            return validate_model(MethodSpec, values, "method")
        named = make_method_spec(values.pop("method"))
        return validate_model(MethodSpec, {**named.model_dump(), **values}, "method")
    name, label = register_object(method)
    return MethodSpec(method=name, label=label)
