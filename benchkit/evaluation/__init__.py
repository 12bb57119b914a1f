"""Asking a recommender and scoring its answers: only here do questions and key meet."""

from benchkit.evaluation.predict import validate_predictions, validate_samples
from benchkit.evaluation.protocols.sampled import evaluate_sampled
from benchkit.evaluation.protocols.scored import evaluate_full, evaluate_scored, score_per_token
from benchkit.evaluation.record import predictions_table
from benchkit.evaluation.scoring import ProtocolResult, make_metrics, score_ranks

__all__ = [
    "ProtocolResult",
    "evaluate_full",
    "evaluate_sampled",
    "evaluate_scored",
    "make_metrics",
    "predictions_table",
    "score_per_token",
    "score_ranks",
    "validate_predictions",
    "validate_samples",
]
