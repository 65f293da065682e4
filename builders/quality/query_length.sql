-- name: query_length
-- severity: warning
-- tables: queries
-- examines: queries
-- threshold: 0.01
-- reason: A query that is ten times as long or as short as is usual for its language and method is mostly no query:
--   a list, a table, a fragment.
WITH usual AS MATERIALIZED (
    SELECT version, method, language, median(length(text)) AS characters FROM queries GROUP BY ALL
)
SELECT queries.version, query_id AS key,
    length(text) || ' characters, ' || usual.characters || ' are usual in ' || queries.language AS detail
FROM queries JOIN usual ON usual.version = queries.version AND usual.method = queries.method
    AND usual.language = queries.language
WHERE length(text) > 10 * usual.characters OR 10 * length(text) < usual.characters
