-- name: lexical_overlap
-- severity: warning
-- tables: queries, chunks
-- methods: qgen
-- examines: SELECT count(*) FROM queries WHERE method = 'qgen'
-- threshold: 0.25
-- reason: A written query most of whose words stand in its chunk is found by matching words: a retriever that is
--   trained on such learns no more than BM25 knows.
SELECT version, query_id AS key, round(100 * overlap) || '% of its ' || words || ' words stand in ' || chunk_id AS detail
FROM query_measures WHERE method = 'qgen' AND overlap > 0.9 AND words >= 3
