"""Corpora in, checked and versioned retrieval data out. Importing this never imports torch."""

__version__ = "0.1.0"
