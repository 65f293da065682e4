-- What is wrong with the lists of each row of candidates: they are read once, here.
SELECT row, version, query_id, own_rank,
    nullif(list_position(chunk_ids, chunk_id), 0) AS own_place,
    list_count(chunk_ids) - len(list_distinct(chunk_ids)) AS twice,
    len(chunk_ids) AS chunks, len(scores) AS scores
FROM candidates
