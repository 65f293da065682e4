-- name: candidates_agree_with_queries
-- severity: error
-- tables: candidates, queries
-- examines: candidates
-- threshold: 0
-- reason: A row takes chunk, document, source, language, split and text hash from its query: where it differs, it is
--   of another query.
SELECT candidates.version, query_id AS key,
    'chunk, document, source, language, split or text hash is not that of its query' AS detail
FROM candidates JOIN query_facts AS facts ON facts.key = hash(candidates.query_id, candidates.queries_of)
WHERE facts.heldout <> (candidates.split = 'heldout') OR facts.agrees <> hash(
    candidates.chunk_id, candidates.document_id, candidates.source, candidates.language, candidates.normalised_text_hash
)
