-- Grain: a public call that has not been deleted.
-- Key: CALL_ID.
-- Sources: GONG_INTEGRATION.CALLS; GONG_INTELLIGENCE.CALL_ENRICHMENT; the chunks of its document in
--     SOPHIA_AI_MEMORY.MEMORY_RECORDS.
-- A call whose transcript has not been embedded yet has an empty TRANSCRIPT_CHUNKS; one that has not been enriched yet has
-- NULL in the columns of enrichment.
CREATE OR REPLACE VIEW GONG_INTELLIGENCE.CALL_TRANSCRIPTS (
    CALL_ID COMMENT 'Gong''s call id',
    ACCOUNT_ID COMMENT 'The CRM''s company id; NULL for a call without CRM context',
    OPPORTUNITY_ID COMMENT 'The CRM''s deal id; NULL for a call without CRM context',
    TITLE COMMENT 'Subject of the call',
    STARTED_AT COMMENT 'Actual start, UTC',
    DURATION_S COMMENT 'Length in seconds',
    DIRECTION COMMENT 'Inbound, Outbound, Conference or Unknown',
    PRIMARY_USER_ID COMMENT 'Gong user id of the host',
    SENTIMENT_SCORE COMMENT 'Mean over the sentences, -1 to 1',
    COMPETITIVE_MENTIONS COMMENT 'Competitors named, each once',
    TALKING_POINTS_USED COMMENT 'Topics and trackers that Gong found in the call',
    OUTCOME_CATEGORY COMMENT 'The call''s outcome as Gong sets it; NULL where it has set none',
    CHUNK_COUNT COMMENT 'Number of chunks in memory',
    TRANSCRIPT_CHUNKS COMMENT 'Texts of the chunks in the order in which they were said; joined, they are the transcript'
) COMMENT = 'Calls with what was said in them' AS
WITH CHUNKS AS (
    SELECT
        SPLIT_PART(SPLIT_PART(DOCUMENT_ID, ':', 3), '#', 1) AS CALL_ID,
        COUNT(*) AS CHUNK_COUNT,
        ARRAY_AGG(CONTENT) WITHIN GROUP (
            ORDER BY LENGTH(DOCUMENT_ID), DOCUMENT_ID, ORDINAL
        ) AS TRANSCRIPT_CHUNKS
    FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS
    WHERE SOURCE_SYSTEM = 'gong'
    GROUP BY SPLIT_PART(SPLIT_PART(DOCUMENT_ID, ':', 3), '#', 1)
)

SELECT
    CALLS.CALL_ID,
    CALLS.ACCOUNT_ID,
    CALLS.OPPORTUNITY_ID,
    CALLS.TITLE,
    CALLS.STARTED_AT,
    CALLS.DURATION_S,
    CALLS.DIRECTION,
    CALLS.PRIMARY_USER_ID,
    ENRICHMENT.SENTIMENT_SCORE,
    ENRICHMENT.COMPETITIVE_MENTIONS,
    ENRICHMENT.TALKING_POINTS_USED,
    ENRICHMENT.OUTCOME_CATEGORY,
    COALESCE(CHUNKS.CHUNK_COUNT, 0) AS CHUNK_COUNT,
    COALESCE(CHUNKS.TRANSCRIPT_CHUNKS, ARRAY_CONSTRUCT()) AS TRANSCRIPT_CHUNKS
FROM GONG_INTEGRATION.CALLS AS CALLS
LEFT JOIN GONG_INTELLIGENCE.CALL_ENRICHMENT AS ENRICHMENT ON CALLS.CALL_ID = ENRICHMENT.CALL_ID
LEFT JOIN CHUNKS ON CALLS.CALL_ID = CHUNKS.CALL_ID
WHERE CALLS._DELETED_AT IS NULL AND NOT COALESCE(CALLS.IS_PRIVATE, TRUE);
