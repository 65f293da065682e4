-- name: references_candidates
-- severity: error
-- tables: candidates, queries, chunks
-- examines: SELECT count(*) + coalesce(sum(len(chunk_ids)), 0)::BIGINT FROM candidates
-- threshold: 0
-- reason: A rank of a chunk or a query that is not there cannot become a training row.
SELECT candidates.version, query_id AS key, 'there is no query of that id' AS detail
FROM candidates ANTI JOIN query_facts ON query_facts.key = hash(candidates.query_id, candidates.queries_of)
UNION ALL
SELECT candidates.version, query_id AS key, 'there is no chunk ' || coalesce(chunk_ids[faults.rank], 'null') AS detail
FROM candidates JOIN candidate_faults AS faults ON faults.row = candidates.row WHERE faults.is_lost
