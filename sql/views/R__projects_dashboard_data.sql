-- Grain: a project and a team that has issues in it; a team's issues without a project make one row too.
-- Key: PROJECT_ID (NULL for issues without a project), TEAM_ID.
-- Sources: LINEAR_INTEGRATION.ISSUES, PROJECTS, TEAMS, CYCLES.
-- Teams that are not public are left out: their issues are for their members. Canceled issues count in no number.
CREATE OR REPLACE VIEW SOPHIA_PROJECT_MANAGEMENT.PROJECTS_DASHBOARD_DATA (
    PROJECT_ID COMMENT 'Linear''s project id',
    PROJECT COMMENT 'Its name',
    STATUS COMMENT 'Linear''s type of the project''s status: backlog, planned, started, paused, completed, canceled',
    HEALTH COMMENT 'onTrack, atRisk or offTrack, as its lead last said; NULL where nobody has',
    TARGET_DATE COMMENT 'Planned end, a date',
    TEAM_ID COMMENT 'Linear''s team id',
    TEAM COMMENT 'Its name',
    ISSUES COMMENT 'Issues that are not canceled',
    COMPLETED_ISSUES COMMENT 'Of these, completed',
    OVERDUE_ISSUES COMMENT 'Of these, open behind their due date',
    PROGRESS COMMENT '0 to 1: completed / all, by estimate; an issue without one counts 1',
    ON_TIME_DELIVERY COMMENT '0 to 1: completed by the due date / due in the last 28 days; NULL where none was due',
    CYCLE_NUMBER COMMENT 'The team''s cycle that runs now; NULL where none does',
    CYCLE_ENDS_AT COMMENT 'Its end, UTC',
    CYCLE_PROGRESS COMMENT '0 to 1: completed / planned estimates of that cycle, over all of the team''s projects'
) COMMENT = 'What the projects page reads: health and delivery by project and team' AS
WITH ISSUES AS (
    SELECT
        PROJECT_ID,
        TEAM_ID,
        CYCLE_ID,
        COALESCE(ESTIMATE, 1) AS ESTIMATE,
        TO_DATE(COMPLETED_AT) AS COMPLETED_ON,
        TRY_CAST(DUE_DATE AS DATE) AS DUE_ON
    FROM LINEAR_INTEGRATION.ISSUES
    WHERE _DELETED_AT IS NULL AND CANCELED_AT IS NULL
),

CYCLES AS (
    SELECT
        CYCLES.TEAM_ID,
        CYCLES.NUMBER AS CYCLE_NUMBER,
        CYCLES.ENDS_AT AS CYCLE_ENDS_AT,
        SUM(IFF(ISSUES.COMPLETED_ON IS NULL, 0, ISSUES.ESTIMATE)) / NULLIF(SUM(ISSUES.ESTIMATE), 0) AS CYCLE_PROGRESS
    FROM LINEAR_INTEGRATION.CYCLES AS CYCLES
    LEFT JOIN ISSUES ON CYCLES.CYCLE_ID = ISSUES.CYCLE_ID
    WHERE CYCLES._DELETED_AT IS NULL AND CYCLES.STARTS_AT <= SYSDATE() AND CYCLES.ENDS_AT > SYSDATE()
    GROUP BY CYCLES.TEAM_ID, CYCLES.NUMBER, CYCLES.ENDS_AT
    QUALIFY ROW_NUMBER() OVER (PARTITION BY CYCLES.TEAM_ID ORDER BY CYCLES.NUMBER DESC) = 1
),

PARTS AS (
    SELECT
        PROJECT_ID,
        TEAM_ID,
        COUNT(*) AS ISSUES,
        COUNT_IF(COMPLETED_ON IS NOT NULL) AS COMPLETED_ISSUES,
        COUNT_IF(COMPLETED_ON IS NULL AND DUE_ON < TO_DATE(SYSDATE())) AS OVERDUE_ISSUES,
        SUM(IFF(COMPLETED_ON IS NULL, 0, ESTIMATE)) / NULLIF(SUM(ESTIMATE), 0) AS PROGRESS,
        CAST(
            COUNT_IF(
                DUE_ON > DATEADD(DAY, -28, TO_DATE(SYSDATE())) AND DUE_ON <= TO_DATE(SYSDATE()) AND COMPLETED_ON <= DUE_ON
            ) AS FLOAT
        )
        / NULLIF(
            COUNT_IF(DUE_ON > DATEADD(DAY, -28, TO_DATE(SYSDATE())) AND DUE_ON <= TO_DATE(SYSDATE())), 0
        ) AS ON_TIME_DELIVERY
    FROM ISSUES
    GROUP BY PROJECT_ID, TEAM_ID
)

SELECT
    PARTS.PROJECT_ID,
    PROJECTS.NAME AS PROJECT,
    PROJECTS.STATUS_TYPE AS STATUS,
    PROJECTS.HEALTH,
    PROJECTS.TARGET_DATE,
    PARTS.TEAM_ID,
    TEAMS.NAME AS TEAM,
    PARTS.ISSUES,
    PARTS.COMPLETED_ISSUES,
    PARTS.OVERDUE_ISSUES,
    PARTS.PROGRESS,
    PARTS.ON_TIME_DELIVERY,
    CYCLES.CYCLE_NUMBER,
    CYCLES.CYCLE_ENDS_AT,
    CYCLES.CYCLE_PROGRESS
FROM PARTS
INNER JOIN LINEAR_INTEGRATION.TEAMS AS TEAMS ON PARTS.TEAM_ID = TEAMS.TEAM_ID
LEFT JOIN LINEAR_INTEGRATION.PROJECTS AS PROJECTS ON PARTS.PROJECT_ID = PROJECTS.PROJECT_ID
LEFT JOIN CYCLES ON PARTS.TEAM_ID = CYCLES.TEAM_ID
WHERE TEAMS.VISIBILITY = 'public' AND TEAMS._DELETED_AT IS NULL AND PROJECTS._DELETED_AT IS NULL;
