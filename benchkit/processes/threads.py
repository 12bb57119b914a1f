"""How many threads a numerical library may use."""

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def limit_threads(threads: int, torch: bool = False) -> Iterator[None]:
    """Use so many threads: how a sum is split over threads changes its last digits."""
    before = 0
    if torch:  # loaded here, because a later import would set its own number
        import torch as framework

        before = framework.get_num_threads()
        framework.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        if before:
            framework.set_num_threads(before)
