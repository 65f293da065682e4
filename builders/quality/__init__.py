"""Quality: checks, contamination by evaluation sets, the audit of negatives and positives."""
