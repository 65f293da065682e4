-- What of each chunk says that two chunks are the same, once for each set of versions that its id is looked up in.
-- Ids become 64-bit hashes and the rows' numbers: 5 million chunks are 250 MB. An id that stands twice is taken once,
-- so that joins repeat nothing (unique_chunks tells of it). `shared` facts are those that another chunk may have too.
WITH twin_texts AS MATERIALIZED (
    SELECT text FROM (SELECT hash(normalised_text_hash) AS text FROM chunks) GROUP BY text HAVING count(*) > 1
),
twin_clusters AS MATERIALIZED (SELECT DISTINCT hash(cluster_id) AS cluster FROM chunks WHERE cluster_id <> chunk_id),
facts AS (
    SELECT
        hash(chunks.chunk_id, spaces.space) AS key,
        chunks.row::UINTEGER AS row,
        (hash(chunks.document_id) & 4294967295)::UINTEGER AS document,
        hash(chunks.normalised_text_hash) AS text,
        hash(chunks.cluster_id) AS cluster,
        hash(chunks.document_id, chunks.source, chunks.split, chunks.text_hash) AS agrees,
        chunks.split = 'heldout' AS heldout,
        hash(chunks.normalised_text_hash) IN (SELECT text FROM twin_texts) AS text_shared,
        hash(chunks.cluster_id) IN (SELECT cluster FROM twin_clusters) AS cluster_shared
    FROM chunks JOIN spaces ON spaces.version = chunks.version
),
twice AS MATERIALIZED (SELECT key FROM facts GROUP BY key HAVING count(*) > 1)
SELECT facts.* FROM facts ANTI JOIN twice ON twice.key = facts.key
UNION ALL
(SELECT DISTINCT ON (facts.key) facts.* FROM facts SEMI JOIN twice ON twice.key = facts.key ORDER BY facts.key, facts.row)
