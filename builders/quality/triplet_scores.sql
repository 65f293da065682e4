-- name: triplet_scores
-- severity: error
-- tables: triplets
-- examines: triplets
-- threshold: 0
-- reason: A score that is no finite number sorts anywhere, and passes or fails every threshold. Null is no score.
SELECT version, triplet_id AS key, 'a score is infinite or no number' AS detail
FROM triplets
WHERE len(list_filter(positive_scores, lambda score: NOT isfinite(score))) > 0
    OR len(list_filter(negative_scores, lambda score: NOT isfinite(score))) > 0
