-- name: triplet_ranks
-- severity: error
-- tables: triplets
-- examines: triplets
-- threshold: 0
-- reason: Negatives stand by rank, the best first, each rank once, those without a rank (judged) before them: what
--   takes the first few takes the hardest.
SELECT version, key, 'negative rank ' || coalesce(rank::VARCHAR, 'null') || ' follows ' || before AS detail
FROM (
    SELECT version, triplet_id AS key, unnest(negative_ranks[:-2]) AS before, unnest(negative_ranks[2:]) AS rank,
        generate_subscripts(negative_ranks[2:], 1) AS place
    FROM triplets
) WHERE before IS NOT NULL AND coalesce(rank <= before, true)
QUALIFY row_number() OVER (PARTITION BY version, key ORDER BY place) = 1
