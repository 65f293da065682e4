-- name: preference_repeats
-- severity: error
-- tables: preferences
-- examines: preferences
-- threshold: 0
-- reason: A chunk that is ranked twice for a query takes the place of another, and may be its positive and its
--   negative.
SELECT version, query_id AS key, len(chunk_ids) - len(list_distinct(chunk_ids)) || ' of its chunks stand twice' AS detail
FROM preferences WHERE len(list_distinct(chunk_ids)) < len(chunk_ids)
