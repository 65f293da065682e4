-- name: negative_of_positive_document
-- severity: error
-- tables: triplets, chunks
-- examines: SELECT count(*) FROM pairs WHERE place < 0
-- threshold: 0
-- reason: A negative from the positive's own document is about the same matter, and often answers the question too.
--   A positive is one of the row, its own chunk, or one of a row of that method with the same question; or one
--   that people judged, in whatever row (other methods: negative_of_other_method).
SELECT version, triplet_id AS key,
    'negative ' || negative || ': it is of the document of the positive ' || positive || ' of row ' || other AS detail
FROM disguised_negatives WHERE within AND shares = 4
