"""What a suite may name once only: it would be counted twice."""

from collections.abc import Iterator, Sequence

from benchkit.errors import ConfigError

MOST_SEED = 2**63 - 1  # what every generator and every file takes


def find_repeats(**values_by_key: Sequence[object]) -> Iterator[ConfigError]:
    """Yield what stands twice under a key of the suite."""
    for key, values in values_by_key.items():
        for value in dict.fromkeys(values):
            if values.count(value) > 1:
                yield ConfigError(f"{key}: {value!r} stands twice", "name it once")


def find_wrong_seeds(seeds: Sequence[int]) -> Iterator[ConfigError]:
    """Yield seeds that not every generator takes."""
    for seed in seeds:
        if not 0 <= seed <= MOST_SEED:
            yield ConfigError(
                f"seeds: {seed} is no seed", f"give whole numbers from 0 to {MOST_SEED}"
            )
