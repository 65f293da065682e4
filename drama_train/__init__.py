"""A released dataset in, a small retriever out."""
