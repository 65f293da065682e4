"""Evaluation: sets, search, metrics, intervals, tables and plots."""
