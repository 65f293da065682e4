-- What each row of triplets found by its ids, its query and its own chunk, whether it says the same as they do, and
-- what of its lists is wrong. The lists of ids are what takes long to read: once here, and once for pairs.
SELECT
    triplets.row::UINTEGER AS row,
    triplets.version,
    triplets.split = 'heldout' AS heldout,
    queries.row AS query,
    queries.heldout AS query_heldout,
    queries.agrees = hash(
        triplets.chunk_id, triplets.document_id, triplets.source, triplets.language, triplets.normalised_text_hash
    ) AS agrees,
    triplets.method IS NOT DISTINCT FROM CASE
        WHEN starts_with(triplets.ranking, 'preferences/') THEN 'rerank' ELSE queries.method::VARCHAR
    END AS method_agrees,
    chunks.row AS chunk,
    chunks.document = (hash(triplets.document_id) & 4294967295)::UINTEGER AS document_agrees,
    coalesce(len(negative_ids), 0)::UINTEGER AS negatives,
    (list_count(negative_ids) - len(list_distinct(negative_ids)))::UINTEGER AS negatives_twice,
    CASE WHEN len(positive_ids) > 1 THEN (list_count(positive_ids) - len(list_distinct(positive_ids)))::UINTEGER END
        AS positives_twice,
    CASE WHEN len(positive_ranks) <> len(positive_ids) OR len(positive_scores) <> len(positive_ids)
        OR len(negative_ranks) <> len(negative_ids) OR len(negative_scores) <> len(negative_ids)
    THEN 'positives: ' || len(positive_ids) || ' ids, ' || len(positive_ranks) || ' ranks, ' || len(positive_scores)
        || ' scores; negatives: ' || len(negative_ids) || ', ' || len(negative_ranks) || ', ' || len(negative_scores)
    END AS uneven
FROM triplets
LEFT JOIN query_facts AS queries ON queries.key = hash(triplets.query_id, triplets.queries_of)
LEFT JOIN chunk_facts AS chunks ON chunks.key = hash(triplets.chunk_id, triplets.chunks_of)
