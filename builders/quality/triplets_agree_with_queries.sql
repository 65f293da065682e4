-- name: triplets_agree_with_queries
-- severity: error
-- tables: triplets, queries
-- examines: triplet_rows
-- threshold: 0
-- reason: A row takes chunk, document, source, language, text hash and method from its query: where it differs, it is
--   of another query. Only Rerank is a method of its own: that of rows ranked by preferences.
SELECT triplets.version, triplet_id AS key,
    CASE WHEN NOT facts.agrees THEN 'chunk, document, source, language or text hash' ELSE 'method ' || method END
    || ' is not that of its query ' || query_id AS detail
FROM triplets JOIN triplet_rows AS facts ON facts.row = triplets.row
WHERE NOT facts.agrees OR (NOT facts.method_agrees AND facts.query IS NOT NULL)
