-- Grain: a source's requests of a UTC day (VENDOR_BUDGETS); a source (VENDOR_CIRCUITS).
-- Key: SOURCE, DAY_ON; SOURCE.
-- Sources: pipelines/limits.py. All processes and hosts that pull a source share them.

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.VENDOR_BUDGETS (
    SOURCE VARCHAR NOT NULL COMMENT 'gong',
    DAY_ON DATE NOT NULL COMMENT 'UTC',
    REQUESTS NUMBER(38,0) NOT NULL COMMENT 'Sent, or set aside by a pull that runs',
    UPDATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    CONSTRAINT PK_VENDOR_BUDGETS PRIMARY KEY (SOURCE, DAY_ON)
) COMMENT = 'What was spent of a vendor''s daily quota';

CREATE TABLE IF NOT EXISTS SOPHIA_CORE.VENDOR_CIRCUITS (
    SOURCE VARCHAR NOT NULL COMMENT 'gong',
    STATE VARCHAR NOT NULL COMMENT 'closed: it is pulled; open: it is down, and not asked; half-open: one pull tries',
    FAILURES NUMBER(38,0) NOT NULL COMMENT 'Pulls in a row that found it down',
    OPENED_AT TIMESTAMP_NTZ COMMENT 'UTC; when it was last opened',
    UPDATED_AT TIMESTAMP_NTZ NOT NULL COMMENT 'UTC',
    CONSTRAINT PK_VENDOR_CIRCUITS PRIMARY KEY (SOURCE)
) COMMENT = 'Whether a vendor is up, as pulls have found it; no row: it never was down';
