-- Grain: an identifier of an erased person (ERASED_IDENTIFIERS), what its hash was made with (ERASURE_SALT), an erasure that
--     ended (ERASURES).
-- Key: IDENTIFIER_HASH; NAME; ERASURE_ID.
-- Sources: pipelines/erased.py, pipelines/erasure.py.
-- No column holds an identifier in the clear. The position `erasures` counts up whenever the list grows, so that who writes raw
-- rows by an older list is fenced.

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.ERASURE_SALT (
    NAME VARCHAR NOT NULL COMMENT 'Always salt',
    SALT VARCHAR NOT NULL COMMENT '32 random bytes in hex, made with the first erasure; without it the list is blind',
    CREATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    CONSTRAINT PK_ERASURE_SALT PRIMARY KEY (NAME)
) COMMENT = 'The key of the hashes of erased people; one row';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.ERASED_IDENTIFIERS (
    IDENTIFIER_HASH VARCHAR NOT NULL COMMENT 'HMAC-SHA256 of kind and value by the salt; 64 hex digits',
    KIND VARCHAR NOT NULL COMMENT 'email, name, handle, id, or the kind of a short id: hubspot:owners',
    WORDS NUMBER(38,0) NOT NULL COMMENT 'Words of a name; 0 for what is none',
    FIRST_WORD_HASH VARCHAR NOT NULL COMMENT 'HMAC-SHA256 of a name''s first word; empty for what is none',
    IS_GIVEN BOOLEAN NOT NULL COMMENT 'True: asked for. False: found on a record of the person',
    ERASURE_ID VARCHAR NOT NULL COMMENT 'The erasure or the landing that entered it',
    ENTERED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    CONSTRAINT PK_ERASED_IDENTIFIERS PRIMARY KEY (IDENTIFIER_HASH)
) COMMENT = 'Who never lands again: every pull and replay goes by it';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.ERASURES (
    ERASURE_ID VARCHAR NOT NULL COMMENT 'Sorts by time',
    FINISHED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    RECEIPT VARIANT NOT NULL COMMENT 'What went and what stays for how long, in numbers',
    CONSTRAINT PK_ERASURES PRIMARY KEY (ERASURE_ID)
) COMMENT = 'A row an erasure that came to its end';

MERGE INTO SOPHIA_CORE.POSITIONS AS T
USING (SELECT 'erasures' AS POSITION_KEY) AS S ON T.POSITION_KEY = S.POSITION_KEY
WHEN NOT MATCHED THEN INSERT (POSITION_KEY, VALUE, EPOCH, OWNER, UPDATED_AT)
    VALUES (S.POSITION_KEY, '', 1, 'migration', CAST(CURRENT_TIMESTAMP() AS TIMESTAMP_NTZ));
