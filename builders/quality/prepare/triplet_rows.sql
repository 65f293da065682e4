-- What each row of triplets found by its ids: its query and its own chunk, and whether it says the same as they do.
SELECT
    triplets.row::UINTEGER AS row,
    triplets.version,
    triplets.split = 'heldout' AS heldout,
    queries.row AS query,
    queries.heldout AS query_heldout,
    queries.agrees = hash(
        triplets.chunk_id, triplets.document_id, triplets.source, triplets.language, triplets.normalised_text_hash
    ) AS agrees,
    chunks.row AS chunk,
    chunks.document = (hash(triplets.document_id) & 4294967295)::UINTEGER AS document_agrees
FROM triplets
LEFT JOIN query_facts AS queries ON queries.key = hash(triplets.query_id, triplets.queries_of)
LEFT JOIN chunk_facts AS chunks ON chunks.key = hash(triplets.chunk_id, triplets.chunks_of)
