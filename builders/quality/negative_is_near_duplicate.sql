-- name: negative_is_near_duplicate
-- severity: error
-- tables: triplets, chunks
-- examines: SELECT count(*) FROM pairs WHERE place < 0
-- threshold: 0
-- reason: A negative that differs from a positive by a few words answers the question too. A positive is one of the
--   row, its own chunk, or one of a row of that method with the same question; or one that people judged, in
--   whatever row (other methods: negative_of_other_method).
SELECT version, triplet_id AS key,
    'negative ' || negative || ': it is a near-duplicate of the positive ' || positive || ' of row ' || other AS detail
FROM disguised_negatives WHERE within AND shares = 3
