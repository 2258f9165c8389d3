-- Grain: the schemas of the platform, and the tables of SOPHIA_CORE that every part shares.
-- Key: declared by each table, kept true by MERGE (Snowflake does not enforce it).
-- Sources: resources/warehouse (positions, loads), pipelines (catalog, dead letters), gpu_workers (embedding usage).

CREATE SCHEMA IF NOT EXISTS SOPHIA_CORE COMMENT = 'Catalog, positions, loads, dead letters';
CREATE SCHEMA IF NOT EXISTS GONG_INTEGRATION COMMENT = 'Raw tables of Gong';
CREATE SCHEMA IF NOT EXISTS HUBSPOT_INTEGRATION COMMENT = 'Raw tables of HubSpot';
CREATE SCHEMA IF NOT EXISTS SLACK_INTEGRATION COMMENT = 'Raw tables of Slack';
CREATE SCHEMA IF NOT EXISTS LINEAR_INTEGRATION COMMENT = 'Raw tables of Linear';
CREATE SCHEMA IF NOT EXISTS SOPHIA_AI_MEMORY COMMENT = 'Chunks of documents with their vectors';
CREATE SCHEMA IF NOT EXISTS GONG_INTELLIGENCE COMMENT = 'What calls tell';
CREATE SCHEMA IF NOT EXISTS COMPETITIVE_INTELLIGENCE COMMENT = 'Who else is named, where and how';
CREATE SCHEMA IF NOT EXISTS EXECUTIVE_INTELLIGENCE COMMENT = 'KPIs and what the dashboard reads';
CREATE SCHEMA IF NOT EXISTS SOPHIA_PROJECT_MANAGEMENT COMMENT = 'Projects and their health';
CREATE SCHEMA IF NOT EXISTS SOPHIA_BUSINESS_INTELLIGENCE COMMENT = 'Customers and deals across sources';
CREATE SCHEMA IF NOT EXISTS MONITORING COMMENT = 'The platform''s own health and cost';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.POSITIONS (
    POSITION_KEY VARCHAR NOT NULL COMMENT 'pull:gong/calls, or topic:<name>:<topic id>:<partition>',
    VALUE VARCHAR NOT NULL COMMENT 'A pull''s cursor as JSON, or the next Kafka offset; empty before the first landing',
    EPOCH NUMBER(38,0) NOT NULL COMMENT 'Counted up by every claim; an older epoch is fenced',
    OWNER VARCHAR NOT NULL COMMENT 'Who claimed it last, for people',
    UPDATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'Last claim or landing, UTC',
    CONSTRAINT PK_POSITIONS PRIMARY KEY (POSITION_KEY)
) COMMENT = 'How far each reader has come, moved in the transaction of the rows it read';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.LOADS (
    LOAD_ID VARCHAR NOT NULL COMMENT 'The landing; _LOAD_ID in the rows whose content it changed',
    ADDRESS VARCHAR NOT NULL COMMENT 'Where it landed: gong/calls',
    ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    RECEIVED NUMBER(38,0) NOT NULL COMMENT 'Rows that arrived, repeats included',
    CHANGED NUMBER(38,0) NOT NULL COMMENT 'Rows whose content changed, at least 1',
    LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    CATALOGUED_AT TIMESTAMP_NTZ COMMENT 'When the catalog had taken it in, UTC; NULL while it waits',
    CONSTRAINT PK_LOADS PRIMARY KEY (LOAD_ID)
) COMMENT = 'A row a landing that changed something: what the catalog still has to take in';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.CATALOG_ENTRIES (
    DATA_ID VARCHAR NOT NULL COMMENT 'Document id, source:type:native id, with #part behind where it was split',
    BASE_ID VARCHAR NOT NULL COMMENT 'Id of the whole document that it is a part of',
    SOURCE_SYSTEM VARCHAR NOT NULL COMMENT 'gong, hubspot, slack, linear',
    DATA_TYPE VARCHAR NOT NULL COMMENT 'call, thread, issue and so on',
    ACCESS_SCOPE VARCHAR NOT NULL COMMENT 'public, or a scope of SOPHIA_CORE.ACCESS_MEMBERS',
    TITLE VARCHAR NOT NULL COMMENT 'For people; may change without a new revision',
    HEADER VARCHAR NOT NULL COMMENT 'Facts that do not change; embedded before each chunk',
    SECTIONS VARIANT NOT NULL COMMENT 'Ordered array of turns or messages: speaker, author_id, start_s, end_s, text',
    METADATA VARIANT NOT NULL COMMENT 'Attributes to filter and show by; may change without a new revision',
    OCCURRED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When it was said or made, UTC',
    CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of what is embedded or decides who may read it; 32 hex digits',
    REVISION NUMBER(38,0) NOT NULL COMMENT '1-based, counted up when CONTENT_HASH changes',
    PUBLISHED_REVISION NUMBER(38,0) COMMENT 'Revision last sent to be embedded',
    PUBLISHED_FINGERPRINT VARCHAR COMMENT 'Model, chunker and header wanted when it was sent',
    PUBLISHED_AT TIMESTAMP_NTZ COMMENT 'UTC; sent again when it has not landed a lease later',
    LANDED_REVISION NUMBER(38,0) COMMENT 'Revision whose vectors are in memory',
    LANDED_FINGERPRINT VARCHAR COMMENT 'Model, chunker and header of those vectors',
    ERROR VARCHAR COMMENT 'Why it could not be embedded; NULL once it has landed',
    CREATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'First catalogued, UTC',
    UPDATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'Last changed by the catalog, UTC',
    DELETED_AT TIMESTAMP_NTZ COMMENT 'Deleted at its source, UTC; its memory rows went in the same transaction',
    CONSTRAINT PK_CATALOG_ENTRIES PRIMARY KEY (DATA_ID)
) COMMENT = 'Every document: what it says, what was published, what has landed';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.DEAD_LETTERS (
    DEAD_LETTER_ID VARCHAR NOT NULL COMMENT 'Hash of origin and body, so one failure is stored once',
    ORIGIN VARCHAR NOT NULL COMMENT 'gong/calls for a pulled record, the topic for a message',
    DOCUMENT_ID VARCHAR COMMENT 'The document that waits for it, where one does',
    REVISION NUMBER(38,0) COMMENT 'Of that document; NULL where it could not be read',
    REASON VARCHAR NOT NULL COMMENT 'The rule that it broke; never a value of the record',
    BODY_BASE64 VARCHAR NOT NULL COMMENT 'The original bytes',
    HEADERS VARIANT NOT NULL COMMENT 'The message''s headers',
    FAILED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    REPLAYED_AT TIMESTAMP_NTZ COMMENT 'When it was put back, UTC',
    CONSTRAINT PK_DEAD_LETTERS PRIMARY KEY (DEAD_LETTER_ID)
) COMMENT = 'What could not be read, with everything that is needed to try again';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.EMBEDDING_USAGE (
    DOCUMENT_ID VARCHAR NOT NULL COMMENT 'The document, or the part of one',
    REVISION NUMBER(38,0) NOT NULL COMMENT 'Of the batch',
    FINGERPRINT VARCHAR NOT NULL COMMENT 'Model, chunker and header of the batch',
    CHUNKS NUMBER(38,0) NOT NULL COMMENT 'Vectors in the batch',
    TOKENS NUMBER(38,0) NOT NULL COMMENT 'By the model''s tokenizer, headers included',
    TOKENS_FROM_CACHE NUMBER(38,0) NOT NULL COMMENT 'Of these, tokens whose vectors were cached',
    COMPUTE_S FLOAT NOT NULL COMMENT 'Seconds of the engine alone',
    LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC'
) COMMENT = 'A row a batch of vectors, landed or refused: what embedding cost';
