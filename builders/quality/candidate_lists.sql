-- name: candidate_lists
-- severity: error
-- tables: candidates
-- examines: candidates
-- threshold: 0
-- reason: Ids, ranks and scores of one row belong together by their places: lists of other lengths give a chunk
--   another's score.
SELECT version, query_id AS key, scores || ' scores of ' || chunks || ' chunks' AS detail
FROM candidate_rows WHERE scores <> chunks
