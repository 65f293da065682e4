-- name: candidate_scores
-- severity: error
-- tables: candidates
-- examines: candidates
-- threshold: 0
-- reason: A score that is no finite number sorts anywhere, and passes or fails every threshold.
SELECT version, query_id AS key, 'a score is infinite or no number' AS detail
FROM candidates WHERE len(list_filter(scores, lambda score: NOT isfinite(score))) > 0
