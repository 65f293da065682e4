-- name: heldout_words_in_train
-- severity: warning
-- tables: chunks
-- examines: chunks
-- threshold: 0
-- reason: The words of a held-out chunk that are a train chunk of another version of the set: what is tested on was
--   trained on.
WITH parted AS MATERIALIZED (
    SELECT hash(normalised_text_hash) AS words FROM chunks GROUP BY ALL
    HAVING min(split) <> max(split) AND min(version) <> max(version)
)
SELECT version, chunk_id AS key, 'its words are held out here and train in another version' AS detail
FROM chunks SEMI JOIN parted ON parted.words = hash(chunks.normalised_text_hash) WHERE split = 'heldout'
