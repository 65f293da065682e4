-- name: chunk_spans
-- severity: error
-- tables: chunks
-- examines: chunks
-- threshold: 0
-- reason: Offsets say where in the document a chunk stands, and where its sentences begin: queries are cropped by
--   them.
SELECT version, chunk_id AS key,
    start || ' to ' || "end" || ' is not the length of its text, ' || length(text) AS detail
FROM chunks WHERE "end" - start <> length(text)
