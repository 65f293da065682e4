-- name: heldout_candidates
-- severity: error
-- tables: candidates, chunks
-- examines: SELECT coalesce(sum(len(chunk_ids)), 0)::BIGINT FROM candidates
-- threshold: 0
-- reason: A train query is given no held-out chunk: as a positive it would be learnt, as a negative unlearnt, before
--   it is tested on.
SELECT listed.version, query_id AS key, 'the held-out chunk ' || listed.id || ' is a candidate of a train query' AS detail
FROM (SELECT version, query_id, chunks_of, unnest(chunk_ids) AS id FROM candidates WHERE split <> 'heldout') AS listed
JOIN chunk_facts ON chunk_facts.key = hash(listed.id, listed.chunks_of)
WHERE chunk_facts.heldout
