"""Anchors: answers that every version of a judge grades, so that drift is seen."""
