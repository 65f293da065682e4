-- name: references_queries
-- severity: error
-- tables: queries, chunks
-- examines: queries
-- threshold: 0
-- reason: A query without its own chunk has nothing that it is a question about.
SELECT queries.version, query_id AS key, 'there is no chunk ' || chunk_id AS detail
FROM queries ANTI JOIN chunk_facts ON chunk_facts.key = hash(queries.chunk_id, queries.chunks_of)
