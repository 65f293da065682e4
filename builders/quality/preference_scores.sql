-- name: preference_scores
-- severity: error
-- tables: preferences
-- examines: preferences
-- threshold: 0
-- reason: A score that is no finite number sorts anywhere, and passes or fails every threshold.
SELECT version, query_id AS key, 'a score is infinite or no number' AS detail
FROM preferences WHERE len(list_filter(retriever_scores, lambda score: NOT isfinite(score))) > 0 OR len(list_filter(judge_scores, lambda score: NOT isfinite(score))) > 0
