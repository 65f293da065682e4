-- Negatives that may share something with a chunk that answers the same question: in this row, or in another row whose
-- query has the same normalised text. By 32-bit hashes, so a few of them share nothing: disguised_negatives looks again.
-- Only what several chunks have can be shared by two, which leaves few for texts and clusters.
-- Documents are what most chunks share with another: first which negatives meet one, by a key alone, then what.
WITH answers AS (SELECT row, chunk, method, words, document, place FROM pairs WHERE place >= 0 AND chunk IS NOT NULL),
near AS MATERIALIZED (
    SELECT row, chunk, method, words, document FROM pairs
    WHERE place < 0 AND words::UBIGINT * 4294967296 + document IN (
        SELECT words::UBIGINT * 4294967296 + document FROM answers
    )
),
twins AS MATERIALIZED (
    SELECT pairs.*, facts.text, facts.cluster
    FROM pairs JOIN (SELECT DISTINCT row, text, cluster FROM chunk_facts WHERE text_shared OR cluster_shared) AS facts
        ON facts.row = pairs.chunk
    WHERE pairs.is_twin
)
SELECT n.row, n.chunk, n.method, p.row AS other_row, p.chunk AS other_chunk, p.method AS other_method, p.place
FROM near AS n JOIN answers AS p ON p.words = n.words AND p.document = n.document
UNION ALL
SELECT n.row, n.chunk, n.method, p.row, p.chunk, p.method, p.place
FROM twins AS n JOIN twins AS p ON p.words = n.words AND p.cluster = n.cluster
WHERE n.place < 0 AND p.place >= 0
UNION ALL
SELECT n.row, n.chunk, n.method, p.row, p.chunk, p.method, p.place
FROM twins AS n JOIN twins AS p ON p.words = n.words AND p.text = n.text
WHERE n.place < 0 AND p.place >= 0
