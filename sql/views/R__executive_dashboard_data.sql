-- Grain: a UTC day of the last 30, today included; a day without calls has a row of zeros.
-- Key: DATE_KEY.
-- SYSDATE is UTC whatever the reader's session says; CURRENT_DATE would be the reader's own day.
-- Sources: GONG_INTEGRATION.CALLS (raw: a number never waits for an embedding). Private calls are counted, not shown.
CREATE OR REPLACE VIEW EXECUTIVE_INTELLIGENCE.EXECUTIVE_DASHBOARD_DATA (
    DATE_KEY COMMENT 'The day, UTC',
    TOTAL_CALLS COMMENT 'Calls that started on the day',
    UNIQUE_ACCOUNTS COMMENT 'Distinct CRM companies among them; calls without CRM context have none'
) COMMENT = 'What the executive page reads, a row a day' AS
WITH DAYS AS (
    SELECT TO_DATE(DATEADD(DAY, -CAST(SPINE.VALUE AS INTEGER), TO_DATE(SYSDATE()))) AS DATE_KEY
    FROM TABLE(FLATTEN(INPUT => ARRAY_GENERATE_RANGE(0, 30))) AS SPINE
)

SELECT
    DAYS.DATE_KEY,
    COUNT(CALLS.CALL_ID) AS TOTAL_CALLS,
    COUNT(DISTINCT CALLS.ACCOUNT_ID) AS UNIQUE_ACCOUNTS
FROM DAYS
LEFT JOIN GONG_INTEGRATION.CALLS AS CALLS
    ON DAYS.DATE_KEY = TO_DATE(CALLS.STARTED_AT) AND CALLS._DELETED_AT IS NULL
GROUP BY DAYS.DATE_KEY;
