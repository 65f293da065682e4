-- name: references_judgements
-- severity: error
-- tables: judgements, queries, chunks
-- examines: judgements
-- threshold: 0
-- reason: A judgement of a query or a chunk that is not there judges nothing.
SELECT judgements.version, judgement_id AS key, 'there is no query ' || query_id AS detail
FROM judgements ANTI JOIN query_facts ON query_facts.key = hash(judgements.query_id, judgements.queries_of)
UNION ALL
SELECT judgements.version, judgement_id AS key, 'there is no chunk ' || chunk_id AS detail
FROM judgements ANTI JOIN chunk_facts ON chunk_facts.key = hash(judgements.chunk_id, judgements.chunks_of)
