-- Grain: a UTC day, from the first that has data to today.
-- Key: DATE_KEY.
-- Sources: EXECUTIVE_INTELLIGENCE.KPI_DAYS, whose file has the formulas.
-- METADATA$ROW_LAST_COMMIT_TIME is Snowflake's own time of a row's last change (ROW_TIMESTAMP of the dynamic table).
CREATE OR REPLACE VIEW EXECUTIVE_INTELLIGENCE.KPI_ROLLUPS (
    DATE_KEY COMMENT 'The UTC day; every number is as of its end',
    REVENUE_MTD COMMENT 'Revenue of the month so far: deals won, by close date; home currency',
    PIPELINE_VALUE COMMENT 'Value of the deals that are open; home currency',
    COMPETITIVE_WIN_RATE COMMENT '0 to 1: share won of the deals closed in 90 days where a call had named a competitor',
    CUSTOMER_HEALTH_SCORE COMMENT '0 to 100, mean over customers: sentiment of calls, time since the last contact, issues',
    TEAM_PRODUCTIVITY_SCORE COMMENT '0 to 100: share of the planned estimates completed in cycles that ended in 28 days',
    LLM_COST_EFFICIENCY COMMENT 'Hosted price of the tokens embedded in 30 days / cost of our hardware for them',
    MRR COMMENT 'Monthly recurring revenue: a twelfth of the deals won in 365 days; home currency',
    ACTIVE_DEALS COMMENT 'Number of open deals; NULL before the first deal',
    WIN_RATE COMMENT '0 to 1: share won of the deals closed in 90 days',
    CALLS_ANALYZED COMMENT 'Calls of the day that are enriched; NULL on a day without calls',
    ON_TIME_DELIVERY COMMENT '0 to 1: share of the issues due in 28 days that were completed by their due date',
    COMPUTED_AT COMMENT 'When the day was computed or last restated, UTC'
) COMMENT = 'The company''s numbers, a row a day' AS
SELECT
    DATE_KEY,
    REVENUE_MTD,
    PIPELINE_VALUE,
    COMPETITIVE_WIN_RATE,
    CUSTOMER_HEALTH_SCORE,
    TEAM_PRODUCTIVITY_SCORE,
    LLM_COST_EFFICIENCY,
    MRR,
    ACTIVE_DEALS,
    WIN_RATE,
    CALLS_ANALYZED,
    ON_TIME_DELIVERY,
    CAST(METADATA$ROW_LAST_COMMIT_TIME AS TIMESTAMP_NTZ) AS COMPUTED_AT
FROM EXECUTIVE_INTELLIGENCE.KPI_DAYS;
