-- name: unique_candidates
-- severity: error
-- tables: candidates
-- examines: candidates
-- threshold: 0
-- reason: An id that names two rows of a version names neither: whatever refers to it is a guess.
WITH twice AS MATERIALIZED (
    SELECT version, hash(query_id) AS id FROM candidates GROUP BY ALL HAVING count(*) > 1
)
SELECT version, query_id AS key, 'it stands ' || count(*) || ' times' AS detail
FROM candidates SEMI JOIN twice ON twice.version = candidates.version AND twice.id = hash(candidates.query_id)
GROUP BY version, query_id HAVING count(*) > 1
