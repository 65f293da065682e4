-- name: triplets_agree_with_queries
-- severity: error
-- tables: triplets, queries
-- examines: triplet_rows
-- threshold: 0
-- reason: A row takes chunk, document, source, language and text hash from its query: where it differs, it is of
--   another query.
SELECT triplets.version, triplet_id AS key,
    'chunk, document, source, language or text hash is not that of its query ' || query_id AS detail
FROM triplets JOIN triplet_rows AS facts ON facts.row = triplets.row
WHERE NOT facts.agrees
