-- name: contaminated_rows
-- severity: warning
-- tables: contamination, triplets
-- examines: SELECT coalesce(sum(examined), 0)::BIGINT FROM looked_at
-- threshold: 0
-- reason: A training row whose query or positive stands in an evaluation set makes that set's figure mean nothing.
WITH rows AS (
    SELECT query_id AS id, 'query' AS kind FROM triplets WHERE split = 'train'
    UNION ALL SELECT unnest(positive_ids), 'positive' FROM triplets WHERE split = 'train'
)
SELECT version, row_id AS key,
    kind || ' stands in ' || "set" || ' as ' || role || ' ' || evaluation_id || ' (' || "match" || ', ' || round(share, 2) || ')'
    AS detail
FROM contamination SEMI JOIN rows ON rows.id = contamination.row_id AND rows.kind = contamination.kind
