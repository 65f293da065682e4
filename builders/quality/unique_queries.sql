-- name: unique_queries
-- severity: error
-- tables: queries
-- examines: queries
-- threshold: 0
-- reason: An id that names two rows of a version names neither: whatever refers to it is a guess.
WITH twice AS MATERIALIZED (
    SELECT version, hash(query_id) AS id FROM queries GROUP BY ALL HAVING count(*) > 1
)
SELECT version, query_id AS key, 'it stands ' || count(*) || ' times' AS detail
FROM queries SEMI JOIN twice ON twice.version = queries.version AND twice.id = hash(queries.query_id)
GROUP BY version, query_id HAVING count(*) > 1
