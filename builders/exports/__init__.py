"""Training rows in the layouts that other tools read: one file for each tool, and what they share."""
