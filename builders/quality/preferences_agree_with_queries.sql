-- name: preferences_agree_with_queries
-- severity: error
-- tables: preferences, queries
-- examines: preferences
-- threshold: 0
-- reason: A row takes chunk, document, source, language, split and text hash from its query: where it differs, it is
--   of another query.
SELECT preferences.version, query_id AS key,
    'chunk, document, source, language, split or text hash is not that of its query' AS detail
FROM preferences JOIN query_facts AS facts ON facts.key = hash(preferences.query_id, preferences.queries_of)
WHERE facts.heldout <> (preferences.split = 'heldout') OR facts.agrees <> hash(
    preferences.chunk_id, preferences.document_id, preferences.source, preferences.language, preferences.normalised_text_hash
)
