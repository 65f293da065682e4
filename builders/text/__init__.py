"""Readers, cleaning, sentences, chunks, languages, duplicates."""
