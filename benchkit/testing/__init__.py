"""Conformance tests for recommenders and judges, to be inherited."""
