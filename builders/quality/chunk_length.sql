-- name: chunk_length
-- severity: warning
-- tables: chunks
-- examines: chunks
-- threshold: 0.01
-- reason: A chunk of a few words answers nothing, and is near to everything: a heading, a caption, the rest of a
--   table.
WITH usual AS MATERIALIZED (SELECT version, language, median(tokens) AS tokens FROM chunks GROUP BY ALL)
SELECT chunks.version, chunk_id AS key,
    chunks.tokens || ' tokens, ' || usual.tokens || ' are usual in ' || chunks.language AS detail
FROM chunks JOIN usual ON usual.version = chunks.version AND usual.language = chunks.language
WHERE chunks.tokens > 20 * usual.tokens OR 20 * chunks.tokens < usual.tokens
