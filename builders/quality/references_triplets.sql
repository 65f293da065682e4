-- name: references_triplets
-- severity: error
-- tables: triplets, queries, chunks
-- examines: SELECT count(*) + (SELECT count(*) FROM pairs) FROM triplet_rows
-- threshold: 0
-- reason: A training row whose query, positive or negative is not there cannot be read, and one whose chunk is of
--   another document is of another corpus.
WITH lost AS MATERIALIZED (
    SELECT row, 'there is no ' || CASE WHEN place > 0 THEN 'positive ' ELSE 'negative ' END || coalesce(lost, 'null')
        AS fault
    FROM pairs WHERE chunk IS NULL AND place <> 0
    UNION ALL SELECT row, 'there is no query' FROM triplet_rows WHERE query IS NULL
    UNION ALL SELECT row, 'there is no own chunk' FROM triplet_rows WHERE chunk IS NULL
    UNION ALL SELECT row, 'another document than its own chunk has' FROM triplet_rows WHERE NOT document_agrees
)
SELECT triplets.version, triplet_id AS key,
    fault || CASE fault WHEN 'there is no query' THEN ' ' || query_id WHEN 'there is no own chunk' THEN ' ' || chunk_id
        WHEN 'another document than its own chunk has' THEN ': ' || document_id ELSE '' END AS detail
FROM triplets JOIN lost ON lost.row = triplets.row
