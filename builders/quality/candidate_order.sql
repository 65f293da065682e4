-- name: candidate_order
-- severity: error
-- tables: candidates
-- examines: candidates
-- threshold: 0
-- reason: The place of a candidate is its rank: where scores increase, positives and negatives are taken from the
--   wrong end.
SELECT version, key, 'the score at rank ' || rank || ' is above the one before' AS detail
FROM (
    SELECT version, query_id AS key, unnest(scores[:-2]) AS before, unnest(scores[2:]) AS score,
        generate_subscripts(scores[2:], 1) + 1 AS rank
    FROM candidates
) WHERE score > before QUALIFY row_number() OVER (PARTITION BY version, key ORDER BY rank) = 1
