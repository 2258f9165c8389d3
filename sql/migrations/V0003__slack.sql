-- Grain: a table an entity of Slack, a row a record; deleted records stay as tombstones.
-- Key: declared by each table, kept true by MERGE (Snowflake does not enforce it).
-- Sources: Slack Web API through pipelines/sources/slack.py; rows made by transforms/rows/slack.py.

CREATE TABLE IF NOT EXISTS SLACK_INTEGRATION.CHANNELS (
    CHANNEL_ID VARCHAR NOT NULL COMMENT 'Slack''s channel id; survives a rename',
    NAME VARCHAR COMMENT 'Current name without #',
    IS_PRIVATE BOOLEAN COMMENT 'True: only members may read it',
    IS_ARCHIVED BOOLEAN COMMENT 'True: closed to new messages',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    CREATOR_ID VARCHAR COMMENT 'User id of who made it',
    TOPIC VARCHAR COMMENT 'Current topic',
    PURPOSE VARCHAR COMMENT 'Current purpose',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_SLACK_CHANNELS PRIMARY KEY (CHANNEL_ID)
) COMMENT = 'A channel that the app can see';

CREATE TABLE IF NOT EXISTS SLACK_INTEGRATION.CHANNEL_MEMBERS (
    CHANNEL_ID VARCHAR NOT NULL COMMENT 'The channel',
    USER_ID VARCHAR NOT NULL COMMENT 'The member',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_SLACK_CHANNEL_MEMBERS PRIMARY KEY (CHANNEL_ID, USER_ID)
) COMMENT = 'The membership of a user in a channel';

CREATE TABLE IF NOT EXISTS SLACK_INTEGRATION.USERS (
    USER_ID VARCHAR NOT NULL COMMENT 'Slack''s user id',
    NAME VARCHAR COMMENT 'Handle',
    REAL_NAME VARCHAR COMMENT 'Full name',
    DISPLAY_NAME VARCHAR COMMENT 'Name as shown; may change',
    EMAIL VARCHAR COMMENT 'Work address; NULL without the scope users:read.email',
    IS_DELETED BOOLEAN COMMENT 'True for a deactivated account',
    IS_BOT BOOLEAN COMMENT 'True for a bot',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_SLACK_USERS PRIMARY KEY (USER_ID)
) COMMENT = 'A member of the workspace, people and bots';

CREATE TABLE IF NOT EXISTS SLACK_INTEGRATION.MESSAGES (
    CHANNEL_ID VARCHAR NOT NULL COMMENT 'The channel that it stands in',
    TS VARCHAR NOT NULL COMMENT 'Slack''s time stamp, text with six decimals; the id within the channel',
    POSTED_AT TIMESTAMP_NTZ COMMENT 'ts as a time, UTC',
    POSTED_ON VARCHAR COMMENT 'The UTC day of ts, 2026-11-20; a part of the id of the day''s document',
    USER_ID VARCHAR COMMENT 'Author; NULL for some bots',
    BOT_ID VARCHAR COMMENT 'Author where it is a bot',
    SUBTYPE VARCHAR COMMENT 'NULL for what a person typed',
    TEXT VARCHAR COMMENT 'Text in Slack markup',
    THREAD_TS VARCHAR COMMENT 'ts of the thread''s parent; NULL outside threads',
    IS_REPLY BOOLEAN COMMENT 'True for a message under another',
    REPLY_COUNT NUMBER(38,0) COMMENT 'Replies under it; NULL for what is no parent',
    LATEST_REPLY VARCHAR COMMENT 'ts of the newest reply under it',
    EDITED_TS VARCHAR COMMENT 'When it was last edited, Slack ts',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_SLACK_MESSAGES PRIMARY KEY (CHANNEL_ID, TS)
) COMMENT = 'A message or a reply';
