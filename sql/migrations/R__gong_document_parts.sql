-- Grain: a raw row that is a part of a document; deleted rows too, so that a delete finds its document.
-- Key: DOCUMENT_ID, ENTITY, ROW_KEY (the key columns of the raw table joined by '/').
-- Sources: GONG_INTEGRATION.CALLS, GONG_INTEGRATION.TRANSCRIPTS.
CREATE OR REPLACE VIEW GONG_INTEGRATION.DOCUMENT_PARTS (
    DOCUMENT_ID COMMENT 'The document that the row is a part of',
    ENTITY COMMENT 'The raw table, lower case',
    ROW_KEY COMMENT 'The row in it',
    LOAD_ID COMMENT 'The landing that last changed the row'
) COMMENT = 'Which raw rows make up which document of Gong' AS
SELECT
    CONCAT('gong:call:', CALL_ID) AS DOCUMENT_ID,
    'calls' AS ENTITY,
    CALL_ID AS ROW_KEY,
    _LOAD_ID AS LOAD_ID
FROM GONG_INTEGRATION.CALLS
UNION ALL
SELECT
    CONCAT('gong:call:', CALL_ID) AS DOCUMENT_ID,
    'transcripts' AS ENTITY,
    CALL_ID AS ROW_KEY,
    _LOAD_ID AS LOAD_ID
FROM GONG_INTEGRATION.TRANSCRIPTS;
