-- name: duplicate_queries
-- severity: warning
-- tables: queries
-- examines: queries
-- threshold: 0.01
-- reason: A question that stands twice is trained on twice, and its second row's negatives may be the first one's
--   positives. Within a version, or in two versions of other methods.
WITH twice AS MATERIALIZED (
    SELECT hash(normalised_text_hash) AS words FROM queries GROUP BY ALL
    HAVING count(DISTINCT hash(version, query_id)) > 1
        AND (count(*) > count(DISTINCT version) OR count(DISTINCT method) > 1)
)
SELECT version, query_id AS key,
    'the words of ' || first_value(query_id) OVER alike || ' (' || first_value(method) OVER alike || '): ' || text
    AS detail
FROM queries SEMI JOIN twice ON twice.words = hash(queries.normalised_text_hash)
WINDOW alike AS (PARTITION BY normalised_text_hash ORDER BY version, query_id)
QUALIFY row_number() OVER alike > 1
