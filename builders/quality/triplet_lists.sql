-- name: triplet_lists
-- severity: error
-- tables: triplets, queries, chunks
-- examines: triplet_rows
-- threshold: 0
-- reason: Ids, ranks and scores of one row belong together by their places: lists of other lengths give a chunk
--   another's score.
SELECT triplets.version, triplet_id AS key, facts.uneven AS detail
FROM triplets JOIN triplet_rows AS facts ON facts.row = triplets.row
WHERE facts.uneven IS NOT NULL
