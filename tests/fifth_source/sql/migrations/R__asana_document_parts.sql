-- Grain: a raw row that is a part of a document; deleted rows too, so that a delete finds its document.
-- Key: DOCUMENT_ID, ENTITY, ROW_KEY (the key columns of the raw table joined by '/').
-- Sources: ASANA_INTEGRATION.TASKS, ASANA_INTEGRATION.USERS.
-- A user is a part of every task that is assigned to them: when a name changes, those documents are built again.
CREATE OR REPLACE VIEW ASANA_INTEGRATION.DOCUMENT_PARTS (
    DOCUMENT_ID COMMENT 'The document that the row is a part of',
    ENTITY COMMENT 'The raw table, lower case',
    ROW_KEY COMMENT 'The row in it',
    LOAD_ID COMMENT 'The landing that last changed the row'
) COMMENT = 'Which raw rows make up which document of Asana' AS
SELECT
    CONCAT('asana:task:', TASK_ID) AS DOCUMENT_ID,
    'tasks' AS ENTITY,
    TASK_ID AS ROW_KEY,
    _LOAD_ID AS LOAD_ID
FROM ASANA_INTEGRATION.TASKS
UNION ALL
SELECT
    CONCAT('asana:task:', TASKS.TASK_ID) AS DOCUMENT_ID,
    'users' AS ENTITY,
    USERS.USER_ID AS ROW_KEY,
    USERS._LOAD_ID AS LOAD_ID
FROM ASANA_INTEGRATION.TASKS AS TASKS
INNER JOIN ASANA_INTEGRATION.USERS AS USERS ON TASKS.ASSIGNEE_ID = USERS.USER_ID;
