-- name: preference_order
-- severity: error
-- tables: preferences
-- examines: preferences
-- threshold: 0
-- reason: The judge's order is what a Rerank row is: judge scores that increase, or a retriever's rank that stands
--   twice, are no order.
SELECT version, query_id AS key, 'retriever ranks repeat, or judge scores increase' AS detail
FROM preferences
WHERE len(list_distinct(retriever_ranks)) < len(retriever_ranks) OR judge_scores <> list_reverse_sort(judge_scores)
