-- name: heldout_candidates
-- severity: error
-- tables: candidates, chunks
-- examines: SELECT coalesce(sum(len(chunk_ids)), 0)::BIGINT FROM candidates
-- threshold: 0
-- reason: A train query is given no held-out chunk: as a positive it would be learnt, as a negative unlearnt, before
--   it is tested on.
SELECT candidates.version, query_id AS key,
    'the held-out chunk ' || chunk_ids[faults.rank] || ' is a candidate of a train query' AS detail
FROM candidates JOIN candidate_faults AS faults ON faults.row = candidates.row WHERE NOT faults.is_lost
