-- name: references_triplets
-- severity: error
-- tables: triplets, queries, chunks
-- examines: SELECT count(*) + (SELECT count(*) FROM pairs) FROM triplet_rows
-- threshold: 0
-- reason: A training row whose query, positive or negative is not there cannot be read, and one whose chunk is of
--   another document is of another corpus.
WITH lost AS MATERIALIZED (
    SELECT row, CASE WHEN place > 0 THEN 'positive' ELSE 'negative' END AS side, abs(place) AS place
    FROM pairs WHERE chunk IS NULL AND place <> 0
    UNION ALL SELECT row, 'query', 0 FROM triplet_rows WHERE query IS NULL
    UNION ALL SELECT row, 'own chunk', 0 FROM triplet_rows WHERE chunk IS NULL
    UNION ALL SELECT row, 'document', 0 FROM triplet_rows WHERE NOT document_agrees
)
SELECT triplets.version, triplet_id AS key,
    CASE lost.side
        WHEN 'document' THEN document_id || ' is not the document of ' || chunk_id
        ELSE 'there is no ' || lost.side || ' ' || coalesce(CASE lost.side
            WHEN 'query' THEN query_id WHEN 'own chunk' THEN chunk_id
            WHEN 'positive' THEN positive_ids[lost.place] ELSE negative_ids[lost.place]
        END, 'null')
    END AS detail
FROM triplets JOIN lost ON lost.row = triplets.row
