-- Grain: a raw row that is a part of a document; deleted rows too, so that a delete finds its document.
-- Key: DOCUMENT_ID, ENTITY, ROW_KEY (the key columns of the raw table joined by '/').
-- Sources: SLACK_INTEGRATION.MESSAGES, SLACK_INTEGRATION.CHANNELS, SLACK_INTEGRATION.USERS.
-- A message that is no reply stands under both its thread and its channel's day, because its first reply moves it from
-- the one to the other; transforms/documents/slack.py takes it where it belongs.
CREATE OR REPLACE VIEW SLACK_INTEGRATION.DOCUMENT_PARTS (
    DOCUMENT_ID COMMENT 'The document that the row is a part of',
    ENTITY COMMENT 'The raw table, lower case',
    ROW_KEY COMMENT 'The row in it',
    LOAD_ID COMMENT 'The landing that last changed the row'
) COMMENT = 'Which raw rows make up which document of Slack' AS
WITH PLACED AS (
    SELECT
        CONCAT('slack:thread:', CHANNEL_ID, '/', COALESCE(THREAD_TS, TS)) AS DOCUMENT_ID,
        CHANNEL_ID,
        TS,
        USER_ID,
        _LOAD_ID
    FROM SLACK_INTEGRATION.MESSAGES
    UNION ALL
    SELECT
        CONCAT('slack:day:', CHANNEL_ID, '/', POSTED_ON) AS DOCUMENT_ID,
        CHANNEL_ID,
        TS,
        USER_ID,
        _LOAD_ID
    FROM SLACK_INTEGRATION.MESSAGES
    WHERE NOT IS_REPLY
)

SELECT
    DOCUMENT_ID,
    'messages' AS ENTITY,
    CONCAT(CHANNEL_ID, '/', TS) AS ROW_KEY,
    _LOAD_ID AS LOAD_ID
FROM PLACED
UNION ALL
SELECT DISTINCT
    PLACED.DOCUMENT_ID,
    'channels' AS ENTITY,
    CHANNELS.CHANNEL_ID AS ROW_KEY,
    CHANNELS._LOAD_ID AS LOAD_ID
FROM PLACED
INNER JOIN SLACK_INTEGRATION.CHANNELS AS CHANNELS ON PLACED.CHANNEL_ID = CHANNELS.CHANNEL_ID
UNION ALL
SELECT DISTINCT
    PLACED.DOCUMENT_ID,
    'users' AS ENTITY,
    USERS.USER_ID AS ROW_KEY,
    USERS._LOAD_ID AS LOAD_ID
FROM PLACED
INNER JOIN SLACK_INTEGRATION.USERS AS USERS ON PLACED.USER_ID = USERS.USER_ID;
