-- name: negative_of_other_method
-- severity: warning
-- tables: triplets, chunks
-- examines: SELECT count(*) FROM pairs WHERE place < 0
-- threshold: 0.05
-- reason: A negative that is a positive of the same question by another method, or shares text, cluster or document
--   with one. Rerank may overrule the ranks that QGen took for positives, so some are right; many mean that
--   two methods teach the opposite.
SELECT version, triplet_id AS key,
    'negative ' || negative || ': it ' || ['is', 'has the words of', 'is a near-duplicate of', 'is of the document of'][shares]
    || ' the positive ' || positive || ' of row ' || other AS detail
FROM disguised_negatives WHERE NOT within
