"""Conformance tests for recommenders, judges and executors, to be inherited."""
