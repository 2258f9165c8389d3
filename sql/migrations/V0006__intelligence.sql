-- Grain: a row a fact that the platform itself works out: a deal's history, what a call or an issue says, who is named.
-- Key: declared by each table, kept true by MERGE (Snowflake does not enforce it).
-- Sources: sql/landings (history), pipelines/enrichment.py (enrichment, mentions), pipelines/kpis.py (days, prices).

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.DEAL_HISTORY (
    DEAL_ID VARCHAR NOT NULL COMMENT 'HUBSPOT_INTEGRATION.DEALS.DEAL_ID',
    PROPERTY VARCHAR NOT NULL COMMENT 'dealstage, pipeline, amount, amount_in_home_currency, closedate; deleted: true or false',
    BECAME_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the property took the value, UTC',
    VALUE VARCHAR COMMENT 'As HubSpot writes it: text, empty or NULL where it was cleared',
    LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that told it; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_DEAL_HISTORY PRIMARY KEY (DEAL_ID, PROPERTY, BECAME_AT)
) COMMENT = 'What a deal was and since when; append-only, written in the transaction of every landing of deals';

ALTER TABLE SOPHIA_CORE.LOADS ADD COLUMN IF NOT EXISTS ROLLED_UP_AT TIMESTAMP_NTZ
COMMENT 'When the KPIs had taken it in, UTC; NULL while it waits';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.DAYS (
    DATE_KEY DATE NOT NULL COMMENT 'A UTC day',
    CONSTRAINT PK_DAYS PRIMARY KEY (DATE_KEY)
) COMMENT = 'The days that have KPIs: from the first that has data to today';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.KPI_SUBJECTS (
    SUBJECT VARCHAR NOT NULL COMMENT 'A record whose day can move: deal/<id>, call/<id>, meetings/<id>, issue/<id>, cycle/<id>',
    ACTS_FROM DATE COMMENT 'The first day that it acted on when the KPIs were last computed; NULL where it had none',
    CONSTRAINT PK_KPI_SUBJECTS PRIMARY KEY (SUBJECT)
) COMMENT = 'So that a record that moves to another day restates the day that it left';

CREATE TABLE IF NOT EXISTS MONITORING.PRICES (
    NAME VARCHAR NOT NULL COMMENT 'hosted_million_tokens or hardware_hour',
    PRICE FLOAT NOT NULL COMMENT 'In the home currency, from the settings SOPHIA_INTELLIGENCE_*',
    CONSTRAINT PK_PRICES PRIMARY KEY (NAME)
) COMMENT = 'What embedding would cost elsewhere, and what our hardware costs';

CREATE TABLE IF NOT EXISTS GONG_INTELLIGENCE.CALL_ENRICHMENT (
    CALL_ID VARCHAR NOT NULL COMMENT 'GONG_INTEGRATION.CALLS.CALL_ID',
    CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the records of call and transcript; empty where nothing may be said',
    ENRICHER VARCHAR NOT NULL COMMENT 'Sentiment model, version of the rules and competitors that were looked for',
    SENTIMENT_SCORE FLOAT COMMENT 'Mean over the sentences, -1 to 1; NULL where nothing was said',
    COMPETITIVE_MENTIONS ARRAY NOT NULL COMMENT 'Competitors named, each once, in alphabetical order',
    TALKING_POINTS_USED ARRAY NOT NULL COMMENT 'Topics and trackers that Gong found in the call, in alphabetical order',
    OUTCOME_CATEGORY VARCHAR COMMENT 'The call''s outcome as Gong sets it; NULL where it has set none',
    ENRICHED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    LOAD_ID VARCHAR NOT NULL COMMENT 'The enrichment that wrote it; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_CALL_ENRICHMENT PRIMARY KEY (CALL_ID)
) COMMENT = 'What a call says, worked out once for each content';

CREATE TABLE IF NOT EXISTS SOPHIA_PROJECT_MANAGEMENT.ISSUE_ENRICHMENT (
    ISSUE_ID VARCHAR NOT NULL COMMENT 'LINEAR_INTEGRATION.ISSUES.ISSUE_ID',
    CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the issue''s record that this was worked out from',
    ENRICHER VARCHAR NOT NULL COMMENT 'Version of the rules and the companies that were looked for',
    COMPANY_IDS ARRAY NOT NULL COMMENT 'HubSpot companies that the title or the description names, in order',
    ENRICHED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    LOAD_ID VARCHAR NOT NULL COMMENT 'The enrichment that wrote it; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_ISSUE_ENRICHMENT PRIMARY KEY (ISSUE_ID)
) COMMENT = 'Which customers an issue is about, worked out once for each content';

CREATE TABLE IF NOT EXISTS COMPETITIVE_INTELLIGENCE.DOCUMENT_ENRICHMENT (
    DOCUMENT_ID VARCHAR NOT NULL COMMENT 'SOPHIA_CORE.CATALOG_ENTRIES.DATA_ID',
    ENTRY_UPDATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UPDATED_AT of the catalog''s entry that was read',
    ENRICHER VARCHAR NOT NULL COMMENT 'Sentiment model, version of the rules and competitors that were looked for',
    ENRICHED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    CONSTRAINT PK_DOCUMENT_ENRICHMENT PRIMARY KEY (DOCUMENT_ID)
) COMMENT = 'Which state of a document was searched for competitors';

CREATE TABLE IF NOT EXISTS COMPETITIVE_INTELLIGENCE.COMPETITOR_MENTIONS (
    MENTION_ID VARCHAR NOT NULL COMMENT 'Hash of document, competitor and number in the document; 32 hex digits',
    COMPETITOR VARCHAR NOT NULL COMMENT 'Name as it stands in the settings, whichever alias was used',
    SOURCE_SYSTEM VARCHAR NOT NULL COMMENT 'gong, hubspot, slack, linear',
    DOCUMENT_ID VARCHAR NOT NULL COMMENT 'SOPHIA_CORE.CATALOG_ENTRIES.DATA_ID; of public scope only',
    ACCOUNT_ID VARCHAR COMMENT 'The CRM''s company id; NULL where the document belongs to none',
    SENTENCE VARCHAR NOT NULL COMMENT 'The sentence around the mention',
    SENTIMENT_SCORE FLOAT NOT NULL COMMENT 'Of the sentence, -1 to 1',
    THREAT_LEVEL NUMBER(38,0) NOT NULL COMMENT '1 to 5; the formula is in transforms/competitors.py',
    OCCURRED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the document was said or made, UTC',
    DETECTED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When this mention was first found, UTC',
    CONSTRAINT PK_COMPETITOR_MENTIONS PRIMARY KEY (MENTION_ID)
) COMMENT = 'A row a time that a competitor is named';
