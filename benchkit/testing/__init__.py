"""Conformance tests for recommenders, judges, metrics and executors, to be inherited."""
