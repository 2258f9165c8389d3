-- Grain: a check, and when it last passed (CHECKS_PASSED); a raw table, and its rows when their number was last found
--     sound (TABLE_ROWS).
-- Key: ASSET, CHECK_NAME; TABLE_NAME.
-- Sources: pipelines/quality.

CREATE TABLE IF NOT EXISTS MONITORING.CHECKS_PASSED (
    ASSET VARCHAR NOT NULL COMMENT 'What was checked: gong/calls, catalog/gong',
    CHECK_NAME VARCHAR NOT NULL COMMENT 'The check''s name within the asset',
    PASSED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the last look that it passed began, UTC; what changed since is looked at next',
    CONSTRAINT PK_CHECKS_PASSED PRIMARY KEY (ASSET, CHECK_NAME)
) COMMENT = 'How far each check has come; moved only when it passes';

CREATE TABLE IF NOT EXISTS MONITORING.TABLE_ROWS (
    TABLE_NAME VARCHAR NOT NULL COMMENT 'GONG_INTEGRATION.CALLS',
    LIVE_ROWS NUMBER(38,0) NOT NULL COMMENT 'Rows that are no tombstones',
    COUNTED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When they were counted, UTC',
    CONSTRAINT PK_TABLE_ROWS PRIMARY KEY (TABLE_NAME)
) COMMENT = 'What the next count is held against: the last that passed, or was accepted';
