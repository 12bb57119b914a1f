"""The toy source generates its data itself: a demo of it needs no file."""

from benchkit.data.demo.base import DemoFormat


def generate_nothing(users: int, **_options: object) -> dict[str, bytes]:  # noqa: ARG001
    """Return no file."""
    return {}


TOY = DemoFormat("toy", generate_nothing, {})
