"""A trained retriever as a folder that other programs load: written, compared with itself in each, described."""
