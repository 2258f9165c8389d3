-- Grain: a table an entity of Gong, a row a record; deleted records stay as tombstones.
-- Key: declared by each table, kept true by MERGE (Snowflake does not enforce it).
-- Sources: Gong API v2 through pipelines/sources/gong.py; rows made by transforms/rows/gong.py.

CREATE TABLE IF NOT EXISTS GONG_INTEGRATION.USERS (
    USER_ID VARCHAR NOT NULL COMMENT 'Gong''s user id',
    EMAIL VARCHAR COMMENT 'Work address',
    FIRST_NAME VARCHAR COMMENT 'First name',
    LAST_NAME VARCHAR COMMENT 'Last name',
    TITLE VARCHAR COMMENT 'Job title',
    ACTIVE BOOLEAN COMMENT 'False for a user who was deactivated',
    MANAGER_ID VARCHAR COMMENT 'User id of the manager',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When the account was made, UTC',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_GONG_USERS PRIMARY KEY (USER_ID)
) COMMENT = 'A person with a Gong account';

CREATE TABLE IF NOT EXISTS GONG_INTEGRATION.CALLS (
    CALL_ID VARCHAR NOT NULL COMMENT 'Gong''s call id; up to 20 digits, so text',
    TITLE VARCHAR COMMENT 'Subject, may change later',
    URL VARCHAR COMMENT 'The call''s page in Gong',
    SCHEDULED_AT TIMESTAMP_NTZ COMMENT 'Scheduled start, UTC',
    STARTED_AT TIMESTAMP_NTZ COMMENT 'Actual start, UTC',
    DURATION_S NUMBER(38,0) COMMENT 'Length in seconds',
    PRIMARY_USER_ID VARCHAR COMMENT 'User id of the host',
    DIRECTION VARCHAR COMMENT 'Inbound, Outbound, Conference or Unknown',
    SCOPE VARCHAR COMMENT 'Internal, External or Unknown',
    LANGUAGE VARCHAR COMMENT 'ISO 639-2B code',
    WORKSPACE_ID VARCHAR COMMENT 'Gong workspace',
    IS_PRIVATE BOOLEAN COMMENT 'True: only its participants may know it',
    ACCOUNT_ID VARCHAR COMMENT 'The CRM''s company id; NULL for a call without CRM context',
    OPPORTUNITY_ID VARCHAR COMMENT 'The CRM''s deal id; NULL for a call without CRM context',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_GONG_CALLS PRIMARY KEY (CALL_ID)
) COMMENT = 'A recorded call';

CREATE TABLE IF NOT EXISTS GONG_INTEGRATION.TRANSCRIPTS (
    CALL_ID VARCHAR NOT NULL COMMENT 'The call that it belongs to',
    SENTENCES NUMBER(38,0) COMMENT 'Number of sentences',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_GONG_TRANSCRIPTS PRIMARY KEY (CALL_ID)
) COMMENT = 'The transcript of a call';
