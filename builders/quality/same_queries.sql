-- name: same_queries
-- severity: error
-- tables: queries
-- examines: queries
-- threshold: 0
-- reason: A release holds each query once: an id that is one text or split in one version and another in the next
--   cannot be released, and a held-out query of one is trained on by the other.
WITH several AS MATERIALIZED (
    SELECT hash(query_id) AS id FROM queries GROUP BY ALL
    HAVING min(version) <> max(version) AND min(hash(text_hash, split)) <> max(hash(text_hash, split))
)
SELECT max(version) AS version, query_id AS key,
    count(DISTINCT text_hash) || ' texts and ' || count(DISTINCT split) || ' splits in '
    || count(DISTINCT version) || ' versions' AS detail
FROM queries SEMI JOIN several ON several.id = hash(queries.query_id)
GROUP BY query_id HAVING count(DISTINCT version) > 1 AND (count(DISTINCT text_hash) > 1 OR count(DISTINCT split) > 1)
