"""Checks of tables, contamination by evaluation sets, and the audit of negatives and positives."""
