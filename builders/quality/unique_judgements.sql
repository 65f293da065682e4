-- name: unique_judgements
-- severity: error
-- tables: judgements
-- examines: judgements
-- threshold: 0
-- reason: An id that names two rows of a version names neither: whatever refers to it is a guess.
WITH twice AS MATERIALIZED (
    SELECT version, hash(judgement_id) AS id FROM judgements GROUP BY ALL HAVING count(*) > 1
)
SELECT version, judgement_id AS key, 'it stands ' || count(*) || ' times' AS detail
FROM judgements SEMI JOIN twice ON twice.version = judgements.version AND twice.id = hash(judgements.judgement_id)
GROUP BY version, judgement_id HAVING count(*) > 1
