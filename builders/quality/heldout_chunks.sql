-- name: heldout_chunks
-- severity: error
-- tables: triplets, chunks
-- examines: pairs
-- threshold: 0
-- reason: A held-out chunk among a train row's positives or negatives is learnt before it is tested on.
WITH found AS MATERIALIZED (
    SELECT row, place FROM pairs WHERE chunk_heldout AND NOT heldout AND place <> 0
)
SELECT triplets.version, triplet_id AS key,
    CASE WHEN place > 0 THEN 'the positive ' || positive_ids[place] ELSE 'the negative ' || negative_ids[-place] END
    || ' of a train row is held out' AS detail
FROM triplets JOIN found ON found.row = triplets.row
