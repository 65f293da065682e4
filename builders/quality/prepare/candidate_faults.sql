-- Candidates that are no chunk, or held out for a train query.
SELECT listed.row, listed.id, facts.row IS NULL AS is_lost
FROM (
    SELECT row, chunks_of, split = 'heldout' AS heldout, unnest(chunk_ids) AS id FROM candidates
) AS listed LEFT JOIN chunk_facts AS facts ON facts.key = hash(listed.id, listed.chunks_of)
WHERE facts.row IS NULL OR (facts.heldout AND NOT listed.heldout)
