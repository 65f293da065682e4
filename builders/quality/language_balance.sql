-- name: language_balance
-- severity: warning
-- tables: triplets, chunks
-- examines: SELECT count(*) FROM (SELECT DISTINCT language FROM triplets)
-- threshold: 0
-- reason: A language that has less than half of its share of the chunks among the training rows was lost on the way:
--   its queries were rejected, or its own chunks not found. Told where 20 rows or more were due.
WITH asked AS (SELECT version, chunks_of, language, count(*) AS rows FROM triplets GROUP BY ALL),
there AS (
    SELECT space, language, count(*) AS chunks FROM chunks JOIN spaces ON spaces.version = chunks.version GROUP BY ALL
),
due AS (
    SELECT totals.version, there.language, rows AS all_rows,
        chunks / sum(chunks) OVER (PARTITION BY totals.version) AS share
    FROM (SELECT version, chunks_of, sum(rows) AS rows FROM asked GROUP BY ALL) AS totals
    JOIN there ON there.space = totals.chunks_of
)
SELECT due.version, due.language AS key,
    round(100 * share, 1) || '% of the chunks, ' || round(100 * coalesce(rows, 0) / all_rows, 1) || '% of the rows' AS detail
FROM due LEFT JOIN asked ON asked.version = due.version AND asked.language = due.language
WHERE share * all_rows >= 20 AND coalesce(rows, 0) < share * all_rows / 2
