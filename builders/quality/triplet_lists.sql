-- name: triplet_lists
-- severity: error
-- tables: triplets
-- examines: triplets
-- threshold: 0
-- reason: Ids, ranks and scores of one row belong together by their places: lists of other lengths give a chunk
--   another's score.
SELECT version, triplet_id AS key,
    'positives: ' || len(positive_ids) || ' ids, ' || len(positive_ranks) || ' ranks, ' || len(positive_scores)
    || ' scores; negatives: ' || len(negative_ids) || ', ' || len(negative_ranks) || ', ' || len(negative_scores)
    AS detail
FROM triplets
WHERE len(positive_ranks) <> len(positive_ids) OR len(positive_scores) <> len(positive_ids)
    OR len(negative_ranks) <> len(negative_ids) OR len(negative_scores) <> len(negative_ids)
