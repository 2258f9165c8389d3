-- Grain: a chunk of a document, with its vector.
-- Key: MEMORY_ID = hash(document id, ordinal), declared and kept true by MERGE.
-- Sources: memory.v1 (gpu_workers), through replace_children; attributes from SOPHIA_CORE.CATALOG_ENTRIES.
-- A model has its own table, so two can stand side by side; the adapter puts the profile's model and dimension in the place
-- of these. The view is of the current model. Attributes come by its join, so they are never older than the catalog.
-- IMPORTANCE_SCORE is 1.0 for what belongs to a customer's account (metadata names one) and 0.5 for everything else.
-- CLUSTER BY: search filters by document for a replace, and no VECTOR may stand there.

CREATE TABLE IF NOT EXISTS SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5 (
    MEMORY_ID VARCHAR NOT NULL COMMENT 'Hash of document id and ordinal; 32 hex digits',
    DOCUMENT_ID VARCHAR NOT NULL COMMENT 'SOPHIA_CORE.CATALOG_ENTRIES.DATA_ID',
    ORDINAL NUMBER(38,0) NOT NULL COMMENT '0-based place in the document',
    CONTENT VARCHAR NOT NULL COMMENT 'The chunk without header; chunks joined in order give the document',
    CONTENT_HASH VARCHAR NOT NULL COMMENT 'Of the embedded text, header included; 32 hex digits',
    SECTION_START NUMBER(38,0) NOT NULL COMMENT '0-based index of the first section that it touches',
    SECTION_END NUMBER(38,0) NOT NULL COMMENT '0-based index behind the last section that it touches',
    TOKEN_COUNT NUMBER(38,0) NOT NULL COMMENT 'Of the embedded text, by the model''s tokenizer',
    EMBEDDING VECTOR(FLOAT, 768) NOT NULL COMMENT 'Unit length',
    REVISION NUMBER(38,0) NOT NULL COMMENT 'Of the document when the row was last written; an unchanged row keeps its own',
    FINGERPRINT VARCHAR NOT NULL COMMENT 'Model, chunker and header that made the vector',
    CREATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'First landed, UTC',
    UPDATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'Last written, UTC',
    CONSTRAINT PK_MEMORY_RECORDS PRIMARY KEY (MEMORY_ID)
)
CLUSTER BY (DOCUMENT_ID)
COMMENT = 'Chunks with vectors of one model';

CREATE OR REPLACE VIEW SOPHIA_AI_MEMORY.MEMORY_RECORDS (
    MEMORY_ID COMMENT 'Hash of document id and ordinal',
    DOCUMENT_ID COMMENT 'SOPHIA_CORE.CATALOG_ENTRIES.DATA_ID',
    ORDINAL COMMENT '0-based place in the document',
    CATEGORY COMMENT 'The document''s data type: call, thread, issue and so on',
    SOURCE_SYSTEM COMMENT 'gong, hubspot, slack, linear',
    TITLE COMMENT 'The document''s title',
    CONTENT COMMENT 'The chunk without header',
    EMBEDDING COMMENT 'Unit length, of the current model',
    CREATED_AT COMMENT 'First landed, UTC',
    IMPORTANCE_SCORE COMMENT '0 to 1: 1.0 where a customer''s account is concerned, else 0.5',
    BUSINESS_CONTEXT COMMENT 'The document''s attributes',
    TAGS COMMENT 'Array of text, from the attributes; NULL where there are none',
    ACCESS_SCOPE COMMENT 'public, or a scope of SOPHIA_CORE.ACCESS_MEMBERS',
    OCCURRED_AT COMMENT 'When it was said or made, UTC',
    TOKEN_COUNT COMMENT 'Of the embedded text',
    SECTION_START COMMENT '0-based index of the first section that it touches',
    SECTION_END COMMENT '0-based index behind the last section that it touches',
    CONTENT_HASH COMMENT 'Of the embedded text',
    REVISION COMMENT 'Of the document when the row was last written',
    FINGERPRINT COMMENT 'Model, chunker and header that made the vector'
) COMMENT = 'The memory of the current model, with the attributes that the catalog knows now; deleted documents are left out'
AS
SELECT
    M.MEMORY_ID,
    M.DOCUMENT_ID,
    M.ORDINAL,
    C.DATA_TYPE AS CATEGORY,
    C.SOURCE_SYSTEM,
    C.TITLE,
    M.CONTENT,
    M.EMBEDDING,
    M.CREATED_AT,
    CAST(IFF(C.METADATA:account_id::VARCHAR IS NOT NULL, 1.0, 0.5) AS FLOAT) AS IMPORTANCE_SCORE,
    C.METADATA AS BUSINESS_CONTEXT,
    CAST(C.METADATA:tags AS ARRAY) AS TAGS,
    C.ACCESS_SCOPE,
    C.OCCURRED_AT,
    M.TOKEN_COUNT,
    M.SECTION_START,
    M.SECTION_END,
    M.CONTENT_HASH,
    M.REVISION,
    M.FINGERPRINT
FROM SOPHIA_AI_MEMORY.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5 AS M
INNER JOIN SOPHIA_CORE.CATALOG_ENTRIES AS C ON M.DOCUMENT_ID = C.DATA_ID
WHERE C.DELETED_AT IS NULL;
