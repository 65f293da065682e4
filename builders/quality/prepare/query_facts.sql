-- The same of each query. `words` is the 32-bit hash of its normalised text: rows of the same question find each other.
WITH facts AS (
    SELECT
        hash(queries.query_id, spaces.space) AS key,
        queries.row::UINTEGER AS row,
        (hash(queries.normalised_text_hash) & 4294967295)::UINTEGER AS words,
        hash(queries.chunk_id, queries.document_id, queries.source, queries.language, queries.normalised_text_hash)
            AS agrees,
        try_cast(queries.method AS METHOD) AS method,
        queries.split = 'heldout' AS heldout
    FROM queries JOIN spaces ON spaces.version = queries.version
),
twice AS MATERIALIZED (SELECT key FROM facts GROUP BY key HAVING count(*) > 1)
SELECT facts.* FROM facts ANTI JOIN twice ON twice.key = facts.key
UNION ALL
(SELECT DISTINCT ON (facts.key) facts.* FROM facts SEMI JOIN twice ON twice.key = facts.key ORDER BY facts.key, facts.row)
