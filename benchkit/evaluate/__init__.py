"""Asking a recommender and scoring its answers: only here do questions and key meet."""

from benchkit.evaluate.asking import checked, checked_samples
from benchkit.evaluate.measuring import Result, measured, metrics_of
from benchkit.evaluate.ranking import full, length_normalised, scored
from benchkit.evaluate.recording import predictions_table
from benchkit.evaluate.sampling import sampled

__all__ = [
    "Result",
    "checked",
    "checked_samples",
    "full",
    "length_normalised",
    "measured",
    "metrics_of",
    "predictions_table",
    "sampled",
    "scored",
]
