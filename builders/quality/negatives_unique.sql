-- name: negatives_unique
-- severity: error
-- tables: triplets, queries, chunks
-- examines: triplet_rows
-- threshold: 0
-- reason: A negative that stands twice in a row, or the same words under two ids, weighs double in the loss.
SELECT triplets.version, triplet_id AS key, facts.negatives_twice || ' negatives stand twice' AS detail
FROM triplets JOIN triplet_rows AS facts ON facts.row = triplets.row
WHERE facts.negatives_twice > 0
UNION ALL
SELECT triplets.version, triplet_id, repeated.negatives || ' negatives have the words of another' AS detail
FROM triplets JOIN (
    SELECT row, sum(alike - 1) AS negatives FROM (
        SELECT pairs.row, count(DISTINCT pairs.chunk) AS alike
        FROM pairs JOIN (SELECT DISTINCT row, text FROM chunk_facts WHERE text_shared) AS facts
            ON facts.row = pairs.chunk
        WHERE pairs.is_twin AND pairs.place < 0
        GROUP BY pairs.row, facts.text HAVING count(DISTINCT pairs.chunk) > 1
    ) GROUP BY row
) AS repeated ON repeated.row = triplets.row
