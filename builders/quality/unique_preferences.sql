-- name: unique_preferences
-- severity: error
-- tables: preferences
-- examines: preferences
-- threshold: 0
-- reason: An id that names two rows of a version names neither: whatever refers to it is a guess.
WITH twice AS MATERIALIZED (
    SELECT version, hash(query_id) AS id FROM preferences GROUP BY ALL HAVING count(*) > 1
)
SELECT version, query_id AS key, 'it stands ' || count(*) || ' times' AS detail
FROM preferences SEMI JOIN twice ON twice.version = preferences.version AND twice.id = hash(preferences.query_id)
GROUP BY version, query_id HAVING count(*) > 1
