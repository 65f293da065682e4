-- name: candidate_own_rank
-- severity: error
-- tables: candidates
-- examines: candidates
-- threshold: 0
-- reason: Whether a query finds its own chunk is told, and decides what is trained on, by this rank.
SELECT version, query_id AS key,
    'own_rank is ' || coalesce(own_rank::VARCHAR, 'null') || ', its chunk stands at '
    || coalesce(own_place::VARCHAR, 'none') AS detail
FROM candidate_rows WHERE own_rank IS DISTINCT FROM own_place
