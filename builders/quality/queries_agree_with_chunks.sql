-- name: queries_agree_with_chunks
-- severity: error
-- tables: queries, chunks
-- examines: queries
-- threshold: 0
-- reason: A query takes document, source and split from its own chunk, and was made from the text that stands there:
--   where it differs, the chunk was changed after it, or a held-out chunk is trained on.
SELECT queries.version, query_id AS key,
    'document, source, split or text hash is not that of its chunk ' || chunk_id AS detail
FROM queries JOIN chunk_facts AS facts ON facts.key = hash(queries.chunk_id, queries.chunks_of)
WHERE facts.agrees <> hash(queries.document_id, queries.source, queries.split, queries.chunk_text_hash)
