-- name: negative_has_positive_text
-- severity: error
-- tables: triplets, chunks
-- examines: SELECT count(*) FROM pairs WHERE place < 0
-- threshold: 0
-- reason: A negative that says the same as a positive, word for word, is that positive. A positive is one of the
--   row, its own chunk, or one of a row of that method with the same question; or one that people judged, in
--   whatever row (other methods: negative_of_other_method).
SELECT version, triplet_id AS key,
    'negative ' || negative || ': it has the words of the positive ' || positive || ' of row ' || other AS detail
FROM disguised_negatives WHERE within AND shares = 2
