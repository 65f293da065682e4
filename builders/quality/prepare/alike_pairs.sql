-- Negatives that may share something with a chunk that answers the same question: in this row, or in another row whose
-- query has the same normalised text. By 32-bit hashes, so a few of them share nothing: disguised_negatives looks again.
-- Only what several chunks have can be shared by two, which leaves few for texts and clusters.
WITH twins AS MATERIALIZED (
    SELECT pairs.*, facts.text, facts.cluster
    FROM pairs JOIN (SELECT DISTINCT row, text, cluster FROM chunk_facts WHERE text_shared OR cluster_shared) AS facts
        ON facts.row = pairs.chunk
    WHERE pairs.is_twin
)
SELECT n.row, n.chunk, n.method, p.row AS other_row, p.chunk AS other_chunk, p.method AS other_method, p.place
FROM pairs AS n JOIN pairs AS p ON p.words = n.words AND p.document = n.document
WHERE n.place < 0 AND p.place >= 0
UNION ALL
SELECT n.row, n.chunk, n.method, p.row, p.chunk, p.method, p.place
FROM twins AS n JOIN twins AS p ON p.words = n.words AND p.cluster = n.cluster
WHERE n.place < 0 AND p.place >= 0
UNION ALL
SELECT n.row, n.chunk, n.method, p.row, p.chunk, p.method, p.place
FROM twins AS n JOIN twins AS p ON p.words = n.words AND p.text = n.text
WHERE n.place < 0 AND p.place >= 0
