-- name: query_language
-- severity: warning
-- tables: queries, chunks
-- examines: queries
-- threshold: 0.02
-- reason: A query in another language than its chunk trains retrieval across languages, which nobody asked for.
SELECT version, query_id AS key, 'it is in ' || language || ', its chunk ' || chunk_id || ' in ' || chunk_language AS detail
FROM query_measures
WHERE language <> chunk_language AND language <> 'und' AND chunk_language <> 'und'
