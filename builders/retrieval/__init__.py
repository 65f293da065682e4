"""Retrieval: embedding engines, stored vectors, exact top-k, BM25."""
