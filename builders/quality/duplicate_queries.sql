-- name: duplicate_queries
-- severity: warning
-- tables: queries
-- examines: queries
-- threshold: 0.01
-- reason: A question that stands twice is trained on twice, and its second row's negatives may be the first one's
--   positives. Within a version, or in two versions of other methods.
WITH several AS MATERIALIZED (
    SELECT hash(normalised_text_hash) AS words FROM queries GROUP BY ALL HAVING count(*) > 1
),
asked AS MATERIALIZED (
    SELECT version, query_id, method, text, normalised_text_hash
    FROM queries SEMI JOIN several ON several.words = hash(queries.normalised_text_hash)
),
twice AS (
    SELECT normalised_text_hash FROM asked GROUP BY ALL
    HAVING count(DISTINCT (version, query_id)) > 1 AND (count(*) > count(DISTINCT version) OR count(DISTINCT method) > 1)
)
SELECT version, query_id AS key,
    'the words of ' || first_value(query_id) OVER alike || ' (' || first_value(method) OVER alike || '): ' || text
    AS detail
FROM asked SEMI JOIN twice ON twice.normalised_text_hash = asked.normalised_text_hash
WINDOW alike AS (PARTITION BY asked.normalised_text_hash ORDER BY version, query_id)
QUALIFY row_number() OVER alike > 1
