-- name: cropped_queries
-- severity: error
-- tables: queries, chunks
-- methods: sent
-- examines: SELECT count(*) FROM queries WHERE method = 'sent'
-- threshold: 0
-- reason: A Sent query is a sentence of its chunk: one that does not stand where it says was altered on the way.
SELECT version, query_id AS key, 'its text does not stand in ' || chunk_id || ' from start to end' AS detail
FROM query_measures WHERE method = 'sent' AND NOT coalesce(stands_there, false)
