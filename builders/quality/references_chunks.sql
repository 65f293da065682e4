-- name: references_chunks
-- severity: error
-- tables: chunks, documents
-- examines: chunks
-- threshold: 0
-- reason: A chunk whose document is gone cannot be traced, licensed or withdrawn.
SELECT chunks.version, chunk_id AS key, 'there is no document ' || document_id AS detail
FROM chunks ANTI JOIN (
    SELECT hash(document_id, space) AS id FROM documents JOIN spaces ON spaces.version = documents.version
) AS documents ON documents.id = hash(chunks.document_id, chunks.documents_of)
