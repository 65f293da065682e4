-- name: triplets_agree_with_rankings
-- severity: error
-- tables: triplets
-- examines: triplets
-- threshold: 0
-- reason: Ranks and scores decide what is a negative and how hard it is: where they are not those of the ranking that the
--   row names, nobody knows what it was chosen by.
-- Rows are suspected by hashes (ranking_places) and told by the ids and scores themselves. What is equal has equal
-- hashes, so no row is blamed by chance; a chunk that is not what stands at its rank is missed once in 4 billion.
-- A chunk without a rank has no score either. Whether it stands in the ranking after all is not looked at.
WITH suspected AS MATERIALIZED (
    SELECT row, version, triplet_id, query_id, retriever, ranking,
        positive_ids, positive_ranks, positive_scores, negative_ids, negative_ranks, negative_scores
    FROM triplets LEFT JOIN ranking_places
        ON ranking_places.key = hash(triplets.ranking, triplets.query_id, triplets.retriever)
    WHERE CASE
        WHEN ranking IS NULL THEN retriever IS NOT NULL OR list_count(positive_ranks) + list_count(negative_ranks)
            + list_count(positive_scores) + list_count(negative_scores) > 0
        WHEN places IS NULL THEN true
        ELSE len(list_filter(positive_ids, lambda id, i: CASE
                WHEN positive_ranks[i] IS NULL THEN positive_scores[i] IS NOT NULL
                ELSE places[positive_ranks[i]] IS DISTINCT FROM (hash(id, positive_scores[i]) & 4294967295)::UINTEGER
            END)) + len(list_filter(negative_ids, lambda id, i: CASE
                WHEN negative_ranks[i] IS NULL THEN negative_scores[i] IS NOT NULL
                ELSE places[negative_ranks[i]] IS DISTINCT FROM (hash(id, negative_scores[i]) & 4294967295)::UINTEGER
            END)) > 0
    END
),
ranked AS (
    SELECT versions.name, ranked.* FROM (
        SELECT version, query_id, retriever, chunk_ids AS ids, scores FROM candidates
        UNION ALL SELECT version, query_id, retriever, chunk_ids, retriever_scores FROM preferences
    ) AS ranked JOIN versions ON versions.version = ranked.version
    WHERE query_id IN (SELECT query_id FROM suspected)
),
compared AS (
    SELECT suspected.*, ranked.retriever AS ranker, ranked.name IS NOT NULL AS is_ranked, ids, scores,
        list_filter(
            list_zip(positive_ids, positive_ranks, positive_scores)
            || list_zip(negative_ids, negative_ranks, negative_scores),
            lambda one: CASE
                WHEN one[2] IS NULL THEN one[3] IS NOT NULL
                ELSE ids[one[2]] IS DISTINCT FROM one[1] OR scores[one[2]] IS DISTINCT FROM one[3]
            END
        )[1] AS wrong
    FROM suspected LEFT JOIN ranked ON ranked.name = suspected.ranking AND ranked.query_id = suspected.query_id
)
SELECT version, triplet_id AS key,
    CASE
        WHEN ranking IS NULL THEN 'it has a retriever, ranks or scores, and names no ranking'
        WHEN ranking NOT IN (SELECT name FROM versions) THEN 'there is no ' || ranking
        WHEN NOT is_ranked THEN ranking || ' does not rank ' || query_id
        WHEN retriever IS DISTINCT FROM ranker THEN
            'its retriever is ' || coalesce(retriever, 'null') || ', that of ' || ranking || ' ' || ranker
        ELSE coalesce(wrong[1], 'null') || ' has rank ' || coalesce(wrong[2]::VARCHAR, 'null') || ' and score '
            || coalesce(wrong[3]::VARCHAR, 'null') || ', where ' || ranking || ' has '
            || coalesce(ids[wrong[2]] || ' and ' || scores[wrong[2]], 'nothing')
    END AS detail
FROM compared
WHERE ranking IS NULL OR NOT is_ranked OR retriever IS DISTINCT FROM ranker OR wrong IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY row ORDER BY detail) = 1
