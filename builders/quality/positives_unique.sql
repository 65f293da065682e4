-- name: positives_unique
-- severity: error
-- tables: triplets, queries, chunks
-- examines: triplet_rows
-- threshold: 0
-- reason: A positive that stands twice in a row is drawn twice as often.
SELECT triplets.version, triplet_id AS key, facts.positives_twice || ' positives stand twice' AS detail
FROM triplets JOIN triplet_rows AS facts ON facts.row = triplets.row
WHERE facts.positives_twice > 0
