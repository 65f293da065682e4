-- Each query beside its own chunk. Words are runs of letters and digits in lower case; where no spaces stand between
-- words, pairs of characters. Only written queries are measured: a cropped one is its chunk's own words.
WITH beside AS (
    SELECT
        queries.row, queries.version, queries.query_id, queries.method, queries.language, queries.text, queries.start,
        queries.end, chunks.chunk_id, chunks.text AS chunk, chunks.language AS chunk_language,
        queries.language IN ('zh', 'ja', 'th', 'lo', 'km', 'my') AS unspaced
    FROM queries
    JOIN chunk_facts AS facts ON facts.key = hash(queries.chunk_id, queries.chunks_of)
    JOIN chunks ON chunks.row = facts.row
),
spelled AS (
    SELECT *,
        CASE WHEN method = 'qgen' THEN regexp_extract_all(lower(text), '[\p{L}\p{M}\p{N}]+') END AS spaced_words,
        CASE WHEN method = 'qgen' AND NOT unspaced THEN regexp_extract_all(lower(chunk), '[\p{L}\p{M}\p{N}]+') END
            AS chunk_words
    FROM beside
),
worded AS (
    SELECT *,
        CASE WHEN unspaced THEN list_distinct(flatten(list_transform(
            spaced_words, lambda word: list_transform(range(1, length(word)), lambda i: substr(word, i, 2)))))
        ELSE list_distinct(spaced_words) END AS words
    FROM spelled
)
SELECT
    row, version, query_id, method, language, chunk_id, chunk_language, length(text) AS characters, len(words) AS words,
    CASE WHEN method = 'qgen' THEN contains(lower(chunk), lower(text)) END AS copied,
    CASE WHEN len(words) = 0 THEN NULL
        WHEN unspaced THEN len(list_filter(words, lambda word: contains(lower(chunk), word))) / len(words)
        ELSE len(list_intersect(words, chunk_words)) / len(words) END AS overlap,
    CASE WHEN method = 'sent' THEN
        regexp_replace(trim(substr(chunk, start + 1, "end" - start), E' \t\n\r'), '\s+', ' ', 'g') = text
    END AS stands_there
FROM worded
