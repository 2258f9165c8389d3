-- Grain: a table an entity of HubSpot, a row a record; archived, merged and deleted records stay as tombstones.
-- Key: declared by each table, kept true by MERGE (Snowflake does not enforce it).
-- Sources: HubSpot API v3 and v4 through pipelines/sources/hubspot.py; rows made by transforms/rows/hubspot.py.

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.OWNERS (
    OWNER_ID VARCHAR NOT NULL COMMENT 'HubSpot''s owner id; not the user id',
    EMAIL VARCHAR COMMENT 'Work address',
    FIRST_NAME VARCHAR COMMENT 'First name',
    LAST_NAME VARCHAR COMMENT 'Last name',
    USER_ID VARCHAR COMMENT 'HubSpot''s user id, also of an owner who has left',
    ARCHIVED BOOLEAN COMMENT 'True for an owner who has left',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When the owner was made, UTC',
    UPDATED_AT TIMESTAMP_NTZ COMMENT 'When the owner was last changed, UTC',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_OWNERS PRIMARY KEY (OWNER_ID)
) COMMENT = 'A person or queue that owns records; who has left stays';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.PIPELINES (
    PIPELINE_ID VARCHAR NOT NULL COMMENT 'HubSpot''s pipeline id',
    LABEL VARCHAR COMMENT 'Name, may change',
    DISPLAY_ORDER NUMBER(38,0) COMMENT 'Place among the pipelines',
    ARCHIVED BOOLEAN COMMENT 'True for one that is no longer used',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC; 1970 for HubSpot''s own',
    UPDATED_AT TIMESTAMP_NTZ COMMENT 'When it was last changed, UTC',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_PIPELINES PRIMARY KEY (PIPELINE_ID)
) COMMENT = 'A pipeline of deals';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.DEAL_STAGES (
    PIPELINE_ID VARCHAR NOT NULL COMMENT 'The pipeline that it is a stage of',
    STAGE_ID VARCHAR NOT NULL COMMENT 'HubSpot''s stage id; unique within its pipeline',
    LABEL VARCHAR COMMENT 'Name, may change',
    DISPLAY_ORDER NUMBER(38,0) COMMENT 'Place in the pipeline',
    IS_CLOSED BOOLEAN COMMENT 'True where a deal is won or lost',
    PROBABILITY FLOAT COMMENT 'Chance of winning, 0 to 1; 1 is won, 0 in a closed stage is lost',
    ARCHIVED BOOLEAN COMMENT 'True for one that is no longer used',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_DEAL_STAGES PRIMARY KEY (PIPELINE_ID, STAGE_ID)
) COMMENT = 'A stage of a pipeline of deals';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.COMPANIES (
    COMPANY_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    NAME VARCHAR COMMENT 'Name, may change',
    DOMAIN VARCHAR COMMENT 'Web domain',
    INDUSTRY VARCHAR COMMENT 'HubSpot''s industry, such as COMPUTER_SOFTWARE',
    CITY VARCHAR COMMENT 'City',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    MERGED_IDS VARCHAR COMMENT 'Object ids that were merged into it, joined by semicolons',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_COMPANIES PRIMARY KEY (COMPANY_ID)
) COMMENT = 'A company';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.CONTACTS (
    CONTACT_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    EMAIL VARCHAR COMMENT 'Work address',
    FIRST_NAME VARCHAR COMMENT 'First name',
    LAST_NAME VARCHAR COMMENT 'Last name',
    JOB_TITLE VARCHAR COMMENT 'Job title',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    MERGED_IDS VARCHAR COMMENT 'Object ids that were merged into it, joined by semicolons',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_CONTACTS PRIMARY KEY (CONTACT_ID)
) COMMENT = 'A person at a company';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.DEALS (
    DEAL_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    NAME VARCHAR COMMENT 'Name, may change',
    PIPELINE_ID VARCHAR COMMENT 'The pipeline that it is in',
    STAGE_ID VARCHAR COMMENT 'The stage that it stands in, of that pipeline',
    AMOUNT FLOAT COMMENT 'Amount in CURRENCY',
    AMOUNT_IN_HOME_CURRENCY FLOAT COMMENT 'Amount in the company''s own currency',
    CURRENCY VARCHAR COMMENT 'ISO 4217 code; NULL where the company has one currency alone',
    CLOSE_AT TIMESTAMP_NTZ COMMENT 'When it is expected to close, or was closed, UTC',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When the deal was made, UTC; may be set by hand',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    MERGED_IDS VARCHAR COMMENT 'Object ids that were merged into it, joined by semicolons',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_DEALS PRIMARY KEY (DEAL_ID)
) COMMENT = 'A deal, with the history of its stage, amount, close date and pipeline in PAYLOAD';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.NOTES (
    NOTE_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    BODY VARCHAR COMMENT 'Text, may be HTML',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    OCCURRED_AT TIMESTAMP_NTZ COMMENT 'When it happened, UTC',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_NOTES PRIMARY KEY (NOTE_ID)
) COMMENT = 'A note on a record';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.EMAILS (
    EMAIL_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    SUBJECT VARCHAR COMMENT 'Subject',
    BODY VARCHAR COMMENT 'Text without markup',
    DIRECTION VARCHAR COMMENT 'EMAIL, INCOMING_EMAIL or FORWARDED_EMAIL',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    OCCURRED_AT TIMESTAMP_NTZ COMMENT 'When it happened, UTC',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_EMAILS PRIMARY KEY (EMAIL_ID)
) COMMENT = 'An email that was sent, received or logged';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.CALLS (
    CALL_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    TITLE VARCHAR COMMENT 'Title',
    BODY VARCHAR COMMENT 'Notes of the call, may be HTML',
    DIRECTION VARCHAR COMMENT 'INBOUND or OUTBOUND',
    DURATION_MS NUMBER(38,0) COMMENT 'Length in milliseconds',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    OCCURRED_AT TIMESTAMP_NTZ COMMENT 'When it happened, UTC',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_CALLS PRIMARY KEY (CALL_ID)
) COMMENT = 'A call that was made or logged';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.MEETINGS (
    MEETING_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    TITLE VARCHAR COMMENT 'Title',
    BODY VARCHAR COMMENT 'Description, may be HTML',
    OUTCOME VARCHAR COMMENT 'SCHEDULED, COMPLETED, NO_SHOW and so on',
    STARTED_AT TIMESTAMP_NTZ COMMENT 'Start, UTC',
    ENDED_AT TIMESTAMP_NTZ COMMENT 'End, UTC',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    OCCURRED_AT TIMESTAMP_NTZ COMMENT 'When it happened, UTC',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_MEETINGS PRIMARY KEY (MEETING_ID)
) COMMENT = 'A meeting that was held or planned';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.TASKS (
    TASK_ID VARCHAR NOT NULL COMMENT 'HubSpot''s object id',
    SUBJECT VARCHAR COMMENT 'Title',
    BODY VARCHAR COMMENT 'Notes, may be HTML',
    STATUS VARCHAR COMMENT 'NOT_STARTED, IN_PROGRESS, COMPLETED and so on',
    PRIORITY VARCHAR COMMENT 'LOW, MEDIUM or HIGH',
    TYPE VARCHAR COMMENT 'EMAIL, CALL or TODO',
    OWNER_ID VARCHAR COMMENT 'Owner; OWNERS.OWNER_ID',
    OCCURRED_AT TIMESTAMP_NTZ COMMENT 'When it is due, UTC',
    CREATED_AT TIMESTAMP_NTZ COMMENT 'When it was made, UTC',
    MODIFIED_AT TIMESTAMP_NTZ COMMENT 'When a property last changed, UTC; archiving does not move it',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_TASKS PRIMARY KEY (TASK_ID)
) COMMENT = 'A task';

CREATE TABLE IF NOT EXISTS HUBSPOT_INTEGRATION.ASSOCIATIONS (
    FROM_TYPE VARCHAR NOT NULL COMMENT 'Kind of the first record, plural: deals, contacts, notes and so on',
    FROM_ID VARCHAR NOT NULL COMMENT 'Object id of the first record',
    TO_TYPE VARCHAR NOT NULL COMMENT 'Kind of the second record: companies, contacts or deals',
    TO_ID VARCHAR NOT NULL COMMENT 'Object id of the second record',
    IS_PRIMARY BOOLEAN COMMENT 'True for the one main company of a deal or contact',
    TYPE_IDS VARCHAR COMMENT 'HubSpot''s association type ids, ascending, joined by commas: 5,341',
    PAYLOAD VARIANT NOT NULL COMMENT 'The whole record as received',
    _VERSION TIMESTAMP_NTZ NOT NULL COMMENT 'When this state was true, UTC; docs/adr/0002-versions.md',
    _DELETED_AT TIMESTAMP_NTZ COMMENT 'Set on a tombstone, UTC',
    _ORIGIN VARCHAR NOT NULL COMMENT 'pull or push',
    _CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the payload',
    _LANDED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'When the content last changed here, UTC',
    _LOAD_ID VARCHAR NOT NULL COMMENT 'The landing that last changed the content; SOPHIA_CORE.LOADS',
    CONSTRAINT PK_HUBSPOT_ASSOCIATIONS PRIMARY KEY (FROM_TYPE, FROM_ID, TO_TYPE, TO_ID)
) COMMENT = 'A pair of records that belong together';
