-- name: negative_holds_query
-- severity: warning
-- tables: triplets, queries, chunks
-- examines: SELECT count(*) FROM pairs WHERE place < 0
-- threshold: 0.001
-- reason: A negative in which the query stands word for word is a second place of the sentence, and answers it as
--   well as the positive does.
WITH asked AS (
    SELECT (hash(normalised_text_hash) & 4294967295)::UINTEGER AS words, text FROM queries
),
held AS MATERIALIZED (
    SELECT DISTINCT beside.words, beside.chunk, beside.chunk_id FROM (
        SELECT pairs.words, pairs.chunk, chunks.chunk_id, chunks.text
        FROM pairs JOIN chunks ON chunks.row = pairs.chunk WHERE pairs.place < 0
    ) AS beside JOIN asked ON asked.words = beside.words
    WHERE contains(beside.text, asked.text)
)
SELECT triplets.version, triplet_id AS key, 'the query stands in its negative ' || found.chunk_id AS detail
FROM triplets JOIN (
    SELECT DISTINCT pairs.row, held.chunk_id
    FROM pairs JOIN held ON held.words = pairs.words AND held.chunk = pairs.chunk WHERE pairs.place < 0
) AS found ON found.row = triplets.row
