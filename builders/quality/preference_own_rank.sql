-- name: preference_own_rank
-- severity: error
-- tables: preferences
-- examines: preferences
-- threshold: 0
-- reason: Whether a query finds its own chunk is told, and decides what is trained on, by this rank.
SELECT version, query_id AS key,
    'own_rank is ' || coalesce(own_rank::VARCHAR, 'null') || ', its chunk stands at '
    || coalesce(nullif(list_position(chunk_ids, chunk_id), 0)::VARCHAR, 'none') AS detail
FROM preferences WHERE own_rank IS DISTINCT FROM nullif(list_position(chunk_ids, chunk_id), 0)
