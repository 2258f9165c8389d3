-- Grain: a property of a deal and the moment at which it took a value.
-- Key: DEAL_ID, PROPERTY, BECAME_AT; what is there stays as it is, so the history only grows.
-- Sources: the deals whose content a landing has changed (STAGED_ROWS: what it staged), with HubSpot's property history.
-- A value that this history lacks (HubSpot keeps a limited number) became so when the deal was last modified. Deletion
-- and return of a deal are kept in the same way, as the property "deleted". HubSpot's history is newest first, so of two
-- values that became so at once the one with the lower AGE holds.
MERGE INTO SOPHIA_CORE.DEAL_HISTORY AS T
USING (
    WITH LANDED AS (
        SELECT DEAL_ID, MODIFIED_AT, PAYLOAD, _VERSION, _DELETED_AT, _LOAD_ID
        FROM HUBSPOT_INTEGRATION.DEALS
        WHERE _LOAD_ID IN (SELECT _LOAD_ID FROM STAGED_ROWS)
    ),

    TOLD AS (
        SELECT
            LANDED.DEAL_ID,
            TOLD.KEY AS PROPERTY,
            TRY_CAST(CHANGE.VALUE:timestamp::VARCHAR AS TIMESTAMP_NTZ) AS BECAME_AT,
            CHANGE.VALUE:value::VARCHAR AS VALUE,
            CHANGE.INDEX AS AGE
        FROM LANDED,
            LATERAL FLATTEN(INPUT => LANDED.PAYLOAD:propertiesWithHistory) AS TOLD,
            LATERAL FLATTEN(INPUT => TOLD.VALUE) AS CHANGE
        WHERE TOLD.KEY IN ('dealstage', 'pipeline', 'amount', 'amount_in_home_currency', 'closedate')
    ),

    CURRENTLY AS (
        SELECT
            LANDED.DEAL_ID,
            IS_NOW.KEY AS PROPERTY,
            LANDED.MODIFIED_AT AS BECAME_AT,
            IS_NOW.VALUE::VARCHAR AS VALUE,
            -1 AS AGE
        FROM LANDED, LATERAL FLATTEN(INPUT => LANDED.PAYLOAD:properties) AS IS_NOW
        WHERE IS_NOW.KEY IN ('dealstage', 'pipeline', 'amount', 'amount_in_home_currency', 'closedate')
            AND LANDED.MODIFIED_AT IS NOT NULL
        UNION ALL
        SELECT
            DEAL_ID,
            'deleted' AS PROPERTY,
            COALESCE(_DELETED_AT, _VERSION) AS BECAME_AT,
            IFF(_DELETED_AT IS NULL, 'false', 'true') AS VALUE,
            -1 AS AGE
        FROM LANDED
    ),

    LATEST AS (
        SELECT DEAL_ID, PROPERTY, VALUE
        FROM (
            SELECT DEAL_ID, PROPERTY, BECAME_AT, VALUE, AGE
            FROM TOLD
            WHERE BECAME_AT IS NOT NULL
            UNION ALL
            SELECT KNOWN.DEAL_ID, KNOWN.PROPERTY, KNOWN.BECAME_AT, KNOWN.VALUE, 0 AS AGE
            FROM SOPHIA_CORE.DEAL_HISTORY AS KNOWN
            INNER JOIN LANDED ON KNOWN.DEAL_ID = LANDED.DEAL_ID
        ) AS KNOWN
        QUALIFY ROW_NUMBER() OVER (PARTITION BY DEAL_ID, PROPERTY ORDER BY BECAME_AT DESC, AGE) = 1
    ),

    ALL_NEW AS (
        SELECT DEAL_ID, PROPERTY, BECAME_AT, VALUE, AGE
        FROM TOLD
        WHERE BECAME_AT IS NOT NULL
        UNION ALL
        SELECT CURRENTLY.DEAL_ID, CURRENTLY.PROPERTY, CURRENTLY.BECAME_AT, CURRENTLY.VALUE, CURRENTLY.AGE
        FROM CURRENTLY
        LEFT JOIN LATEST ON CURRENTLY.DEAL_ID = LATEST.DEAL_ID AND CURRENTLY.PROPERTY = LATEST.PROPERTY
        -- a deal that has never been deleted needs no line that says so
        WHERE COALESCE(CURRENTLY.VALUE, '') <> COALESCE(LATEST.VALUE, IFF(CURRENTLY.PROPERTY = 'deleted', 'false', ''))
    )

    SELECT ALL_NEW.DEAL_ID, ALL_NEW.PROPERTY, ALL_NEW.BECAME_AT, ALL_NEW.VALUE, LANDED._LOAD_ID AS LOAD_ID
    FROM ALL_NEW
    INNER JOIN LANDED ON ALL_NEW.DEAL_ID = LANDED.DEAL_ID
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY ALL_NEW.DEAL_ID, ALL_NEW.PROPERTY, ALL_NEW.BECAME_AT ORDER BY ALL_NEW.AGE
    ) = 1
) AS S ON T.DEAL_ID = S.DEAL_ID AND T.PROPERTY = S.PROPERTY AND T.BECAME_AT = S.BECAME_AT
WHEN NOT MATCHED THEN INSERT (DEAL_ID, PROPERTY, BECAME_AT, VALUE, LOAD_ID)
    VALUES (S.DEAL_ID, S.PROPERTY, S.BECAME_AT, S.VALUE, S.LOAD_ID);
