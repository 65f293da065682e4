-- name: same_chunks
-- severity: error
-- tables: chunks
-- examines: chunks
-- threshold: 0
-- reason: A release holds each chunk once: an id that is one text or split in one version and another in the next
--   cannot be released, and a held-out chunk of one is trained on by the other.
WITH several AS MATERIALIZED (
    SELECT hash(chunk_id) AS id FROM chunks GROUP BY ALL
    HAVING min(version) <> max(version) AND min(hash(text_hash, split)) <> max(hash(text_hash, split))
)
SELECT max(version) AS version, chunk_id AS key,
    count(DISTINCT text_hash) || ' texts and ' || count(DISTINCT split) || ' splits in '
    || count(DISTINCT version) || ' versions' AS detail
FROM chunks SEMI JOIN several ON several.id = hash(chunks.chunk_id)
GROUP BY chunk_id HAVING count(DISTINCT version) > 1 AND (count(DISTINCT text_hash) > 1 OR count(DISTINCT split) > 1)
