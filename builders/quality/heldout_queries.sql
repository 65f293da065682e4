-- name: heldout_queries
-- severity: error
-- tables: triplets, queries
-- examines: triplet_rows
-- threshold: 0
-- reason: A held-out query that is trained on measures memory: a row has its query's split.
SELECT triplets.version, triplet_id AS key,
    'the row is ' || split || ', its query ' || CASE WHEN facts.query_heldout THEN 'heldout' ELSE 'train' END AS detail
FROM triplets JOIN triplet_rows AS facts ON facts.row = triplets.row
WHERE facts.heldout <> facts.query_heldout
