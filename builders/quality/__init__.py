"""Checks of whole tables: SQL files with a header, run by DuckDB over the Parquet of a set of versions."""
