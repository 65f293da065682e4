-- name: references_preferences
-- severity: error
-- tables: preferences, queries, chunks
-- examines: SELECT count(*) + coalesce(sum(len(chunk_ids)), 0)::BIGINT FROM preferences
-- threshold: 0
-- reason: A rank of a chunk or a query that is not there cannot become a training row.
SELECT preferences.version, query_id AS key, 'there is no query of that id' AS detail
FROM preferences ANTI JOIN query_facts ON query_facts.key = hash(preferences.query_id, preferences.queries_of)
UNION ALL
SELECT listed.version, query_id AS key, 'there is no chunk ' || coalesce(listed.id, 'null') AS detail
FROM (SELECT version, query_id, chunks_of, unnest(chunk_ids) AS id FROM preferences) AS listed
ANTI JOIN chunk_facts ON chunk_facts.key = hash(listed.id, listed.chunks_of)
