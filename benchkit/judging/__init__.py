"""Judging rationales: rubrics, what is shown to a judge, and what is kept of its verdicts."""
