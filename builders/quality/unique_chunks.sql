-- name: unique_chunks
-- severity: error
-- tables: chunks
-- examines: chunks
-- threshold: 0
-- reason: An id that names two rows of a version names neither: whatever refers to it is a guess.
WITH twice AS MATERIALIZED (
    SELECT version, hash(chunk_id) AS id FROM chunks GROUP BY ALL HAVING count(*) > 1
)
SELECT version, chunk_id AS key, 'it stands ' || count(*) || ' times' AS detail
FROM chunks SEMI JOIN twice ON twice.version = chunks.version AND twice.id = hash(chunks.chunk_id)
GROUP BY version, chunk_id HAVING count(*) > 1
