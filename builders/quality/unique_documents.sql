-- name: unique_documents
-- severity: error
-- tables: documents
-- examines: documents
-- threshold: 0
-- reason: An id that names two rows of a version names neither: whatever refers to it is a guess.
WITH twice AS MATERIALIZED (
    SELECT version, hash(document_id) AS id FROM documents GROUP BY ALL HAVING count(*) > 1
)
SELECT version, document_id AS key, 'it stands ' || count(*) || ' times' AS detail
FROM documents SEMI JOIN twice ON twice.version = documents.version AND twice.id = hash(documents.document_id)
GROUP BY version, document_id HAVING count(*) > 1
