"""Versions, manifests, shards, journals, schemas."""
