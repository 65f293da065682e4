-- Each negative that shares something with a chunk that answers the same question, once, with the first it shares, and
-- whether that is within one method. By the texts themselves: chance has no part in it.
-- What counts as an answer: the positives of the row and of every row of that method whose query has the same normalised
-- text; the own chunks of these rows; and what people judged (supervised positives), whatever the negative's method.
-- Another method's positives and own chunks are answers by the retriever's word or by chance of wording: Rerank may
-- overrule what QGen's ranks took for a positive of the same query, which is what it is for. Those are a warning.
WITH rows AS MATERIALIZED (SELECT DISTINCT * FROM alike_pairs),
named AS MATERIALIZED (
    SELECT row, version, triplet_id, normalised_text_hash FROM triplets
    SEMI JOIN (SELECT row FROM rows UNION SELECT other_row FROM rows) AS wanted ON wanted.row = triplets.row
),
facts AS MATERIALIZED (
    SELECT row, chunk_id, document_id, cluster_id, normalised_text_hash FROM chunks
    SEMI JOIN (SELECT chunk AS row FROM rows UNION SELECT other_chunk FROM rows) AS wanted ON wanted.row = chunks.row
),
found AS (
    SELECT
        t.version, t.triplet_id, n.chunk_id AS negative, o.triplet_id AS other, p.chunk_id AS positive,
        CASE
            WHEN n.chunk_id = p.chunk_id THEN 1
            WHEN n.normalised_text_hash = p.normalised_text_hash THEN 2
            WHEN n.cluster_id = p.cluster_id THEN 3
            WHEN n.document_id = p.document_id THEN 4
        END AS shares,
        rows.row = rows.other_row OR rows.method = rows.other_method
            OR (rows.other_method = 'supervised' AND rows.place > 0) AS within
    FROM rows
    JOIN named AS t ON t.row = rows.row
    JOIN named AS o ON o.row = rows.other_row AND o.normalised_text_hash = t.normalised_text_hash
    JOIN facts AS n ON n.row = rows.chunk
    JOIN facts AS p ON p.row = rows.other_chunk
)
SELECT version, triplet_id, negative, within, shares, positive, other
FROM found WHERE shares IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY version, triplet_id, negative ORDER BY NOT within, shares, other, positive) = 1
