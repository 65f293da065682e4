-- name: preference_lists
-- severity: error
-- tables: preferences
-- examines: preferences
-- threshold: 0
-- reason: Ids, ranks and scores of one row belong together by their places: lists of other lengths give a chunk
--   another's score.
SELECT version, query_id AS key, 'a list is not as long as that of its ' || len(chunk_ids) || ' chunks' AS detail
FROM preferences WHERE len(retriever_scores) <> len(chunk_ids) OR len(retriever_ranks) <> len(chunk_ids)
    OR len(judge_scores) <> len(chunk_ids)
