-- name: triplet_lists
-- severity: error
-- tables: triplets, queries, chunks
-- examines: triplet_rows
-- threshold: 0
-- reason: Ids, ranks and scores of one row belong together by their places: lists of other lengths give a chunk
--   another's score.
SELECT triplets.version, triplet_id AS key,
    'positives: ' || len(positive_ids) || ' ids, ' || len(positive_ranks) || ' ranks, ' || len(positive_scores)
    || ' scores; negatives: ' || len(negative_ids) || ', ' || len(negative_ranks) || ', ' || len(negative_scores)
    AS detail
FROM triplets JOIN triplet_rows AS facts ON facts.row = triplets.row
WHERE facts.uneven
