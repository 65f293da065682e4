-- What each row of candidates and preferences has at each rank: a 32-bit hash of the chunk's id and its score, rank 1
-- first. `key` is of the version's name, the query and the retriever. Fifty candidates of a million queries are 200 MB.
SELECT
    hash(versions.name, query_id, retriever) AS key,
    list_transform(ids, lambda id, rank: (hash(id, scores[rank]) & 4294967295)::UINTEGER) AS places
FROM (
    SELECT version, query_id, retriever, chunk_ids AS ids, scores FROM candidates
    UNION ALL SELECT version, query_id, retriever, chunk_ids, retriever_scores FROM preferences
) AS ranked JOIN versions ON versions.version = ranked.version
