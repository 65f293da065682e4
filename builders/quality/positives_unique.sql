-- name: positives_unique
-- severity: error
-- tables: triplets
-- examines: triplets
-- threshold: 0
-- reason: A positive that stands twice in a row is drawn twice as often.
SELECT version, triplet_id AS key,
    len(positive_ids) - len(list_distinct(positive_ids)) || ' positives stand twice' AS detail
FROM triplets WHERE len(positive_ids) > 1 AND len(list_distinct(positive_ids)) < len(positive_ids)
