-- name: heldout_chunks
-- severity: error
-- tables: triplets, chunks
-- examines: pairs
-- threshold: 0
-- reason: A held-out chunk among a train row's positives or negatives is learnt before it is tested on.
WITH found AS MATERIALIZED (
    SELECT row, place, chunk FROM pairs WHERE leaks AND place <> 0
)
SELECT triplets.version, triplet_id AS key,
    CASE WHEN place > 0 THEN 'the positive ' ELSE 'the negative ' END || chunks.chunk_id || ' of a train row is held out'
    AS detail
FROM triplets JOIN found ON found.row = triplets.row JOIN chunks ON chunks.row = found.chunk
