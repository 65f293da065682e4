-- One row for each chunk that a row of triplets names: place 0 is the query's own chunk where it is no positive, 1 and
-- up are positives, -1 and down negatives. `chunk` is the number of the chunk's row; null where there is no such chunk.
-- `leaks`: it is held out, and the row is not. `is_twin`: its words or its cluster are another chunk's too.
-- 80 million rows for 10 million triplets: each column here is a fifth of a gigabyte or so that may have to be spilled.
WITH asked AS (
    SELECT
        row::UINTEGER AS row, try_cast(method AS METHOD) AS method, split = 'heldout' AS heldout, chunks_of,
        (hash(normalised_text_hash) & 4294967295)::UINTEGER AS words, chunk_id, positive_ids, negative_ids
    FROM triplets
),
named AS (
    SELECT row, method, words, heldout, chunks_of, unnest(positive_ids) AS id,
        generate_subscripts(positive_ids, 1)::SMALLINT AS place
    FROM asked
    UNION ALL
    SELECT row, method, words, heldout, chunks_of, unnest(negative_ids) AS id,
        -generate_subscripts(negative_ids, 1)::SMALLINT AS place
    FROM asked
    UNION ALL
    SELECT row, method, words, heldout, chunks_of, chunk_id AS id, 0::SMALLINT AS place
    FROM asked WHERE NOT coalesce(list_contains(positive_ids, chunk_id), false)
)
SELECT
    named.row, named.method, named.words, named.place, facts.row AS chunk, facts.document,
    facts.heldout AND NOT named.heldout AS leaks, facts.text_shared OR facts.cluster_shared AS is_twin
FROM named LEFT JOIN chunk_facts AS facts ON facts.key = hash(named.id, named.chunks_of)
