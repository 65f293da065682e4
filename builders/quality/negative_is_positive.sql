-- name: negative_is_positive
-- severity: error
-- tables: triplets, chunks
-- examines: SELECT count(*) FROM pairs WHERE place < 0
-- threshold: 0
-- reason: A chunk that answers the question is pushed away from it, and pulled to it by another row. A positive is
--   one of the row, its own chunk, or one of a row of that method with the same question; or one that people
--   judged, in whatever row (other methods: negative_of_other_method).
SELECT version, triplet_id AS key,
    'negative ' || negative || ': it is the positive ' || positive || ' of row ' || other AS detail
FROM disguised_negatives WHERE within AND shares = 1
