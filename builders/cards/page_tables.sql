-- What the page shows, gathered by id: run once for each draw. Variables: cut (characters of a text), most (positives,
-- negatives, candidates and replies of a row, each).

-- list_slice bounds a row that somebody made by hand
CREATE OR REPLACE TEMP TABLE chosen AS
SELECT row_number() OVER (ORDER BY version, method, language, source, triplet_id) - 1 AS row, version, triplet_id,
       query_id, chunk_id, document_id, source, method, language, split, retriever, judge, ranking,
       len(positive_ids) AS positives, len(negative_ids) AS negatives,
       list_slice(positive_ids, 1, getvariable('most')) AS positive_ids,
       list_slice(positive_ranks, 1, getvariable('most')) AS positive_ranks,
       list_slice(positive_scores, 1, getvariable('most')) AS positive_scores,
       list_slice(negative_ids, 1, getvariable('most')) AS negative_ids,
       list_slice(negative_ranks, 1, getvariable('most')) AS negative_ranks,
       list_slice(negative_scores, 1, getvariable('most')) AS negative_scores
FROM triplets SEMI JOIN drawn USING (version, triplet_id);

CREATE OR REPLACE TEMP TABLE page_queries AS
SELECT row_number() OVER (ORDER BY version, query_id) - 1 AS number, *
FROM (
    SELECT q.version, q.query_id, any_value(c.version) AS triplets, any_value(q.chunk_id) AS chunk_id,
           any_value(q.document_id) AS document_id, any_value(q.method) AS method,
           any_value(substr(q.text, 1, getvariable('cut'))) AS text, any_value(length(q.text)) AS length,
           any_value(q.start) AS start, any_value(q.end) AS "end", any_value(q.task) AS task,
           any_value(q.stated_language) AS stated_language, any_value(q.model) AS model,
           any_value(q.prompt_version) AS prompt_version, any_value(q.parse) AS parse,
           any_value(substr(q.reply, 1, getvariable('cut'))) AS reply, any_value(length(q.reply)) AS reply_length
    FROM chosen c JOIN behind b ON b.triplets = c.version AND b.name = 'queries'
    JOIN queries q ON q.version = b.version AND q.query_id = c.query_id
    GROUP BY q.version, q.query_id
);

CREATE OR REPLACE TEMP TABLE page_documents AS
SELECT row_number() OVER (ORDER BY version, document_id) - 1 AS number, *
FROM (
    SELECT d.version, d.document_id, any_value(substr(d.title, 1, getvariable('cut'))) AS title, any_value(d.licence) AS licence,
           any_value(d.language) AS language, any_value(d.place) AS place, any_value(length(d.text)) AS length
    FROM page_queries q JOIN behind b ON b.triplets = q.triplets AND b.name = 'documents'
    JOIN documents d ON d.version = b.version AND d.document_id = q.document_id
    GROUP BY d.version, d.document_id
);

CREATE OR REPLACE TEMP TABLE page_orders AS
SELECT c.row, c.version AS triplets, p.version, p.own_rank, p.preference_method, p.model, p.prompt_version, p.parse,
       p.rank_agreement, p.first_agreement, p.judge_scores, p.retriever_ranks, p.retriever_scores,
       list_slice(p.chunk_ids, 1, getvariable('most')) AS chunk_ids,
       list_transform(list_slice(p.replies, 1, getvariable('most')), lambda r: substr(r, 1, getvariable('cut'))) AS replies
FROM chosen c JOIN preferences p ON p.version = c.ranking AND p.query_id = c.query_id;

CREATE OR REPLACE TEMP TABLE refs AS
SELECT row, version AS triplets, 'own' AS side, 1 AS at, chunk_id, 0 AS level FROM chosen
UNION ALL
SELECT row, version, 'positive', generate_subscripts(positive_ids, 1), unnest(positive_ids), 0 FROM chosen
UNION ALL
SELECT row, version, 'negative', generate_subscripts(negative_ids, 1), unnest(negative_ids),
       generate_subscripts(negative_ids, 1) FROM chosen
UNION ALL
SELECT row, triplets, 'ordered', generate_subscripts(chunk_ids, 1), unnest(chunk_ids), getvariable('most') + 1
FROM page_orders;

-- numbered by level, so that the texts that are on the page are those of the first numbers
CREATE OR REPLACE TEMP TABLE page_chunks AS
SELECT *, min(number) OVER (PARTITION BY text_hash) AS first
FROM (
    SELECT row_number() OVER (ORDER BY w.level, w.version, w.chunk_id) - 1 AS number,
           w.version, w.chunk_id, w.level, substr(c.title, 1, getvariable('cut')) AS title, c.language, c.tokens, c.start,
           c.end, c.text_hash, substr(c.text, 1, getvariable('cut')) AS text, length(c.text) AS length
    FROM (
        SELECT b.version, r.chunk_id, min(r.level) AS level
        FROM refs r JOIN behind b ON b.triplets = r.triplets AND b.name = 'chunks' GROUP BY ALL
    ) w JOIN chunks c ON c.version = w.version AND c.chunk_id = w.chunk_id
);
