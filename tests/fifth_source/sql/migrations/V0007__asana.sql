-- Grain: a table an entity of Asana, a row a record; deleted records stay as tombstones.
-- Key: declared by each table, kept true by MERGE (Snowflake does not enforce it).
-- Sources: Asana's REST API through pipelines/sources/asana.py; rows made by transforms/rows/asana.py.

CREATE SCHEMA IF NOT EXISTS ASANA_INTEGRATION COMMENT = 'Raw tables of Asana';

CREATE TABLE IF NOT EXISTS ASANA_INTEGRATION.USERS (
    USER_ID VARCHAR NOT NULL COMMENT 'Asana''s gid of the user; digits, so text',
    NAME VARCHAR COMMENT 'As Asana shows it; may change',
    EMAIL VARCHAR COMMENT 'Work address',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_ASANA_USERS PRIMARY KEY (USER_ID)
) COMMENT = 'A person of the workspace';

CREATE TABLE IF NOT EXISTS ASANA_INTEGRATION.TASKS (
    TASK_ID VARCHAR NOT NULL COMMENT 'Asana''s gid of the task; digits, so text',
    NAME VARCHAR COMMENT 'What is to be done; may change',
    NOTES VARCHAR COMMENT 'Description, plain text',
    COMPLETED BOOLEAN COMMENT 'True once it is done',
    ASSIGNEE_ID VARCHAR COMMENT 'ASANA_INTEGRATION.USERS.USER_ID; NULL where nobody has it',
    URL VARCHAR COMMENT 'The task''s page in Asana',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'Last change that Asana counts as one, UTC',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_ASANA_TASKS PRIMARY KEY (TASK_ID)
) COMMENT = 'A task';
