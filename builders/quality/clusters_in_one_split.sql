-- name: clusters_in_one_split
-- severity: error
-- tables: chunks
-- examines: chunks
-- threshold: 0
-- reason: A near-duplicate of a held-out chunk among the train chunks is the held-out chunk, nearly.
WITH parted AS MATERIALIZED (
    SELECT version, hash(cluster_id) AS cluster FROM chunks GROUP BY ALL HAVING min(split) <> max(split)
)
SELECT version, cluster_id AS key,
    count_if(split = 'train') || ' of its chunks are train, ' || count_if(split = 'heldout') || ' held out' AS detail
FROM chunks SEMI JOIN parted ON parted.version = chunks.version AND parted.cluster = hash(chunks.cluster_id)
GROUP BY version, cluster_id HAVING min(split) <> max(split)
