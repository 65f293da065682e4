-- name: negatives_as_promised
-- severity: error
-- tables: triplets, queries, chunks
-- examines: triplet_rows
-- threshold: 0
-- reason: A trainer draws so many negatives from each row: with fewer it repeats some, or stops. Promised is the version's
--   setting `least`, or as many as its window of ranks holds for a query with few candidates.
WITH few AS MATERIALIZED (
    SELECT triplets.version, triplet_id, query_id, ranking, rows.negatives, rows.least, rows.deep,
        rows.positives_last, rows.negatives_first, rows.negatives_last
    FROM triplets JOIN (
        SELECT row, coalesce(negatives, 0) AS negatives, promises.*
        FROM triplet_rows JOIN promises ON promises.of = triplet_rows.version
        WHERE coalesce(negatives, 0) < least
    ) AS rows ON rows.row = triplets.row
),
ranked AS (
    SELECT version, query_id, len(chunk_ids) AS candidates FROM candidates
    UNION ALL SELECT version, query_id, len(chunk_ids) FROM preferences
),
depths AS (
    SELECT versions.name AS ranking, ranked.query_id, min(candidates) AS candidates
    FROM ranked JOIN versions ON versions.version = ranked.version SEMI JOIN few ON few.query_id = ranked.query_id
    GROUP BY ALL
),
windows AS (
    SELECT few.*,
        CASE
            WHEN negatives_last IS NULL THEN least
            WHEN deep IS NULL THEN negatives_last - negatives_first + 1
            ELSE greatest(first_rank, depth * negatives_last // deep) - first_rank + 1
        END AS room
    FROM (
        SELECT *, greatest(
            greatest(1, depth * positives_last // deep) + 1, (depth * negatives_first + deep - 1) // deep
        ) AS first_rank
        FROM (
            SELECT few.*, least(coalesce(candidates, deep), deep) AS depth FROM few
            LEFT JOIN depths ON depths.ranking = few.ranking AND depths.query_id = few.query_id
        ) AS few
    ) AS few
)
SELECT version, triplet_id AS key,
    negatives || ' negatives, ' || least(least, room) || ' are promised' AS detail
FROM windows WHERE negatives < least(least, room)
