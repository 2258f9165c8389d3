-- Grain: a document, or a part of a long one; deleted ones too.
-- Key: DATA_ID.
-- Sources: SOPHIA_CORE.CATALOG_ENTRIES. AI_PROCESSED is derived, so it cannot be wrong.

CREATE OR REPLACE VIEW SOPHIA_CORE.UNIFIED_DATA_CATALOG (
    DATA_ID COMMENT 'Document id, source:type:native id, with #part behind where it was split',
    BASE_ID COMMENT 'Id of the whole document that it is a part of',
    SOURCE_SYSTEM COMMENT 'gong, hubspot, slack, linear',
    DATA_TYPE COMMENT 'call, thread, issue and so on',
    ACCESS_SCOPE COMMENT 'public, or a scope of SOPHIA_CORE.ACCESS_MEMBERS',
    TITLE COMMENT 'For people',
    HEADER COMMENT 'Facts that do not change; embedded before each chunk',
    SECTIONS COMMENT 'Ordered array of turns or messages',
    METADATA COMMENT 'Attributes to filter and show by',
    OCCURRED_AT COMMENT 'When it was said or made, UTC',
    CONTENT_HASH COMMENT 'Of what is embedded or decides who may read it',
    REVISION COMMENT '1-based, counted up when CONTENT_HASH changes',
    PUBLISHED_REVISION COMMENT 'Revision last sent to be embedded',
    PUBLISHED_FINGERPRINT COMMENT 'Model, chunker and header wanted when it was sent',
    PUBLISHED_AT COMMENT 'UTC',
    LANDED_REVISION COMMENT 'Revision whose vectors are in memory',
    LANDED_FINGERPRINT COMMENT 'Model, chunker and header of those vectors',
    ERROR COMMENT 'Why it could not be embedded',
    CREATED_AT COMMENT 'First catalogued, UTC',
    UPDATED_AT COMMENT 'Last changed by the catalog, UTC',
    DELETED_AT COMMENT 'Deleted at its source, UTC',
    AI_PROCESSED COMMENT 'True when memory holds the vectors of this revision'
) COMMENT = 'The catalog, with what follows from it'
AS
SELECT
    DATA_ID,
    BASE_ID,
    SOURCE_SYSTEM,
    DATA_TYPE,
    ACCESS_SCOPE,
    TITLE,
    HEADER,
    SECTIONS,
    METADATA,
    OCCURRED_AT,
    CONTENT_HASH,
    REVISION,
    PUBLISHED_REVISION,
    PUBLISHED_FINGERPRINT,
    PUBLISHED_AT,
    LANDED_REVISION,
    LANDED_FINGERPRINT,
    ERROR,
    CREATED_AT,
    UPDATED_AT,
    DELETED_AT,
    COALESCE(DELETED_AT IS NULL AND LANDED_REVISION = REVISION, FALSE) AS AI_PROCESSED
FROM SOPHIA_CORE.CATALOG_ENTRIES;
