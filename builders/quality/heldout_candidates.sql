-- name: heldout_candidates
-- severity: error
-- tables: candidates, chunks
-- examines: SELECT coalesce(sum(len(chunk_ids)), 0)::BIGINT FROM candidates
-- threshold: 0
-- reason: A train query is given no held-out chunk: as a positive it would be learnt, as a negative unlearnt, before
--   it is tested on.
SELECT rows.version, query_id AS key, 'the held-out chunk ' || faults.id || ' is a candidate of a train query' AS detail
FROM candidate_rows AS rows JOIN candidate_faults AS faults ON faults.row = rows.row WHERE NOT faults.is_lost
