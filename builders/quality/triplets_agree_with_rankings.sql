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
WITH placed AS (
    SELECT row, version, triplet_id, query_id, retriever, ranking,
        positive_ids, positive_ranks, positive_scores, negative_ids, negative_ranks, negative_scores,
        CASE
            WHEN ranking IS NULL THEN retriever IS NOT NULL OR list_count(positive_ranks) + list_count(negative_ranks)
                + list_count(positive_scores) + list_count(negative_scores) > 0
            ELSE places IS NULL
        END AS is_lost,
        list_position(list_transform(positive_ids, lambda id, i: CASE
            WHEN positive_ranks[i] IS NULL THEN positive_scores[i] IS NOT NULL
            ELSE places[positive_ranks[i]] IS DISTINCT FROM (hash(id, positive_scores[i]) & 4294967295)::UINTEGER
        END), true) AS positive,
        list_position(list_transform(negative_ids, lambda id, i: CASE
            WHEN negative_ranks[i] IS NULL THEN negative_scores[i] IS NOT NULL
            ELSE places[negative_ranks[i]] IS DISTINCT FROM (hash(id, negative_scores[i]) & 4294967295)::UINTEGER
        END), true) AS negative
    FROM triplets LEFT JOIN ranking_places
        ON ranking_places.key = hash(triplets.ranking, triplets.query_id, triplets.retriever)
),
suspected AS MATERIALIZED (
    SELECT row, version, triplet_id, query_id, retriever, ranking,
        CASE WHEN positive > 0 THEN positive_ids[positive] ELSE negative_ids[negative] END AS id,
        CASE WHEN positive > 0 THEN positive_ranks[positive] ELSE negative_ranks[negative] END AS rank,
        CASE WHEN positive > 0 THEN positive_scores[positive] ELSE negative_scores[negative] END AS score
    FROM placed WHERE is_lost OR (ranking IS NOT NULL AND (positive > 0 OR negative > 0))
),
ranked AS (
    SELECT versions.name, ranked.* FROM (
        SELECT version, query_id, retriever, chunk_ids AS ids, scores FROM candidates
        UNION ALL SELECT version, query_id, retriever, chunk_ids, retriever_scores FROM preferences
    ) AS ranked JOIN versions ON versions.version = ranked.version
    WHERE query_id IN (SELECT query_id FROM suspected)
),
told AS (
    SELECT row, suspected.version, triplet_id,
        CASE
            WHEN ranking IS NULL THEN 'it has a retriever, ranks or scores, and names no ranking'
            WHEN ranking NOT IN (SELECT name FROM versions) THEN 'there is no ' || ranking
            WHEN name IS NULL THEN ranking || ' does not rank ' || coalesce(suspected.query_id, 'null')
            WHEN suspected.retriever IS DISTINCT FROM ranked.retriever THEN
                'its retriever is ' || coalesce(suspected.retriever, 'null') || ', that of ' || ranking || ' is '
                || coalesce(ranked.retriever, 'null')
            WHEN rank IS NULL THEN coalesce(id, 'null') || ' has the score ' || score || ' and no rank'
            WHEN ids[rank] IS DISTINCT FROM id OR scores[rank] IS DISTINCT FROM score THEN
                coalesce(id, 'null') || ' has rank ' || rank || ' and score ' || coalesce(score::VARCHAR, 'null')
                || ', where ' || ranking || ' has ' || coalesce(ids[rank] || ' and ' || scores[rank], 'nothing')
        END AS detail
    FROM suspected LEFT JOIN ranked ON ranked.name = suspected.ranking AND ranked.query_id = suspected.query_id
)
SELECT any_value(version) AS version, any_value(triplet_id) AS key, min(detail) AS detail
FROM told WHERE detail IS NOT NULL GROUP BY row
