-- name: candidate_repeats
-- severity: error
-- tables: candidates
-- examines: candidates
-- threshold: 0
-- reason: A chunk that is ranked twice for a query takes the place of another, and may be its positive and its
--   negative.
SELECT version, query_id AS key, twice || ' of its chunks stand twice' AS detail FROM candidate_rows WHERE twice > 0
