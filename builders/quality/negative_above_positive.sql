-- name: negative_above_positive
-- severity: warning
-- tables: triplets
-- examines: SELECT count(*) FROM triplets WHERE method <> 'rerank' AND retriever IS NOT NULL
-- threshold: 0.1
-- reason: A negative that the retriever scores above a positive of its row, or where it did not find that positive
--   at all, is often an answer that nobody marked (in Rerank rows a judge said otherwise).
SELECT version, triplet_id AS key,
    'a negative scores ' || list_max(negative_scores) || ', the lowest positive '
    || CASE WHEN len(list_filter(positive_scores, lambda score: score IS NULL)) > 0 THEN 'was not found'
        ELSE list_min(positive_scores)::VARCHAR END AS detail
FROM triplets
WHERE method <> 'rerank' AND retriever IS NOT NULL AND isfinite(list_max(negative_scores))
    AND (list_max(negative_scores) > list_min(positive_scores)
        OR len(list_filter(positive_scores, lambda score: score IS NULL)) > 0)
