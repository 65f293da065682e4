-- name: references_candidates
-- severity: error
-- tables: candidates, queries, chunks
-- examines: SELECT count(*) + coalesce(sum(len(chunk_ids)), 0)::BIGINT FROM candidates
-- threshold: 0
-- reason: A rank of a chunk or a query that is not there cannot become a training row.
SELECT candidates.version, query_id AS key, 'there is no query of that id' AS detail
FROM candidates ANTI JOIN query_facts ON query_facts.key = hash(candidates.query_id, candidates.queries_of)
UNION ALL
SELECT rows.version, query_id AS key, 'there is no chunk ' || coalesce(faults.id, 'null') AS detail
FROM candidate_rows AS rows JOIN candidate_faults AS faults ON faults.row = rows.row WHERE faults.is_lost
