-- name: copied_queries
-- severity: warning
-- tables: queries, chunks
-- methods: qgen
-- examines: SELECT count(*) FROM queries WHERE method = 'qgen'
-- threshold: 0.02
-- reason: A written query that stands in its chunk word for word is a crop: it teaches to find what is quoted, not
--   what is asked. Under 8 words it may be a term.
SELECT version, query_id AS key, 'its words stand in ' || chunk_id || ' as they are' AS detail
FROM query_measures WHERE method = 'qgen' AND copied AND words >= 8
