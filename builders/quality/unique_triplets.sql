-- name: unique_triplets
-- severity: error
-- tables: triplets
-- examines: triplets
-- threshold: 0
-- reason: Two rows of one id are one row trained on twice, or the same query with other answers: over all versions
--   that are released together.
WITH twice AS MATERIALIZED (SELECT hash(triplet_id) AS id FROM triplets GROUP BY ALL HAVING count(*) > 1)
SELECT min(version) AS version, triplet_id AS key,
    'it stands ' || count(*) || ' times in ' || count(DISTINCT version) || ' versions' AS detail
FROM triplets SEMI JOIN twice ON twice.id = hash(triplets.triplet_id)
GROUP BY triplet_id HAVING count(*) > 1
