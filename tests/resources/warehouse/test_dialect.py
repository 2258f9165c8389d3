"""Every construct that may pass to DuckDB, executed there, with the answer that Snowflake documents."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from contracts.errors import StatementFailed, UnsupportedSql
from resources.profile import EmbeddingSettings
from resources.warehouse import Warehouse, dialect, dialect_allowed
from resources.warehouse.arrow import Parameter
from resources.warehouse.duckdb_adapter import DuckDbWarehouse

t = datetime.fromisoformat
SETUP = (
    """
    CREATE TABLE IF NOT EXISTS DOCS (
      ID VARCHAR(20) NOT NULL COMMENT 'key', BODY VARIANT COMMENT 'json', TAGS ARRAY, ATTRS OBJECT,
      E VECTOR(FLOAT, 768), N NUMBER(38,0) DEFAULT 0, PRICE NUMBER(10,2), RATIO FLOAT, OK BOOLEAN, MADE_ON DATE,
      MADE_AT TIMESTAMP_NTZ(9),
      CONSTRAINT PK_DOCS PRIMARY KEY (ID)
    ) CLUSTER BY (ID, TO_DATE(MADE_AT)) DATA_RETENTION_TIME_IN_DAYS = 7 CHANGE_TRACKING = TRUE COMMENT = 'documents'
    """,
    """
    INSERT INTO DOCS (ID, BODY, TAGS, ATTRS, E, N, PRICE, RATIO, OK, MADE_ON, MADE_AT)
    SELECT 'a', PARSE_JSON('{"name": "Ann", "n": 5, "f": 1.5, "t": true, "gone": null, "at": "2026-01-02T03:04:05Z",
      "deep": {"x y": ["p", "q"]}, "items": [{"k": 1}, {"k": 2}], "two words": 7}'), PARSE_JSON('["red", "blue"]'),
      PARSE_JSON('{"k": 1, "l": "m"}'), CAST(PARSE_JSON('[1, 0]') AS VECTOR(FLOAT, 768)), 5, 1.25, 0.5, TRUE,
      '2026-01-31', '2026-01-31 13:14:15'
    """,
    """
    INSERT INTO DOCS (ID, BODY, TAGS, ATTRS, E, N, PRICE, RATIO, OK, MADE_ON, MADE_AT)
    SELECT 'b', PARSE_JSON('{"name": "Bob", "items": []}'), PARSE_JSON('[]'), NULL,
      CAST(PARSE_JSON('[0.6, 0.8]') AS VECTOR(FLOAT, 768)), 2, NULL, NULL, FALSE, '2026-02-01', '2026-02-01 00:00:00'
    """,
)

# (SELECT list or a whole SELECT, expected rows). A list is selected from DOCS' row `a`.
SAMPLES: list[tuple[str, list[tuple[object, ...]]]] = [
    # paths and casts of VARIANT
    ("BODY:name::STRING, BODY:n::INT, BODY:f::FLOAT, BODY:t::BOOLEAN", [("Ann", 5, 1.5, True)]),
    ("BODY:name::VARCHAR || '!', UPPER(BODY:name::STRING)", [("Ann!", "ANN")]),
    ("BODY:gone::STRING, BODY:none::STRING, BODY:none::INT", [(None, None, None)]),
    ("BODY:gone IS NULL, BODY:none IS NULL, BODY:gone IS NOT NULL", [(False, True, True)]),
    ("BODY:at::TIMESTAMP_NTZ, BODY:at::DATE", [(t("2026-01-02 03:04:05"), date(2026, 1, 2))]),
    ("""BODY:deep."x y"[1]::STRING, BODY['two words']::INT, TAGS[0]::STRING""", [("q", 7, "red")]),
    ("BODY:items[0].k::NUMBER(38,0), BODY:n::NUMBER(10,2)", [(1, 5.0)]),
    ("ID::STRING, TAGS::STRING, N::VARCHAR, N::FLOAT", [("a", '["red","blue"]', "5", 5.0)]),
    ("CAST(BODY:items AS ARRAY), BODY:name::VARIANT, 'x'::VARIANT", [('[{"k":1},{"k":2}]', '"Ann"', '"x"')]),
    ("1::VARIANT", [("1",)]),
    ('SELECT "ID" FROM "DOCS" WHERE ID = \'a\'', [("a",)]),
    ("TRY_CAST('x' AS INT), TRY_CAST('2026-01-01' AS DATE), CAST('5' AS INT)", [(None, date(2026, 1, 1), 5)]),
    ("PARSE_JSON('[1]')[0]::INT, TRY_PARSE_JSON('{bad'), PARSE_JSON('null') IS NULL", [(1, None, False)]),
    ("IFF(BODY:name::STRING IS NOT NULL, 1.0, 0.5)", [(1.0,)]),
    (
        "TYPEOF(BODY:name), TYPEOF(BODY:n), TYPEOF(BODY:f) IN ('DECIMAL', 'DOUBLE'), TYPEOF(BODY:t), TYPEOF(TAGS)",
        [("VARCHAR", "INTEGER", True, "BOOLEAN", "ARRAY")],
    ),
    ("TYPEOF(BODY:gone), TYPEOF(BODY:none), TYPEOF(BODY:deep)", [("NULL_VALUE", None, "OBJECT")]),
    (
        "TRY_CAST(BODY:name::VARCHAR AS NUMBER(38,0)), TRY_CAST(BODY:items::VARCHAR AS FLOAT), "
        "TRY_CAST(BODY:n::VARCHAR AS NUMBER(17,6)), TRY_CAST(BODY:t::VARCHAR AS BOOLEAN)",
        [(None, None, 5.0, True)],
    ),
    ("COALESCE(BODY:none, BODY:name)::STRING", [("Ann",)]),
    # arrays and objects
    ("ARRAY_SIZE(TAGS), ARRAY_SIZE(BODY:items), ARRAY_SIZE(BODY:none), ARRAY_SIZE(BODY:name)", [(2, 2, None, None)]),
    ("ARRAY_CONTAINS('red'::VARIANT, TAGS), ARRAY_CONTAINS('re'::VARIANT, TAGS)", [(True, False)]),
    ("ARRAY_CONTAINS(BODY:name, ARRAY_CONSTRUCT('Ann', 1))", [(True,)]),
    ("ARRAY_CONTAINS(N::VARIANT, ARRAY_CONSTRUCT(5))", [(True,)]),
    ("ARRAY_CONSTRUCT(), ARRAY_CONSTRUCT(1, 'x', BODY:n), ['p']", [("[]", '[1,"x",5]', '["p"]')]),
    ("ARRAY_TO_STRING(TAGS, ', '), ARRAY_CAT(TAGS, ARRAY_CONSTRUCT(1))", [("red, blue", '["red","blue",1]')]),
    ("SPLIT('p,q', ','), SPLIT_PART('p-q', '-', 2), ARRAY_SIZE(SPLIT('p,q', ','))", [('["p","q"]', "q", 2)]),
    ("OBJECT_CONSTRUCT('k', 1, 'gone', NULL, 'n', BODY:name)", [('{"k":1,"n":"Ann"}',)]),
    ("OBJECT_CONSTRUCT_KEEP_NULL('k', 1, 'gone', NULL)", [('{"k":1,"gone":null}',)]),
    ("OBJECT_CONSTRUCT('list', ARRAY_CONSTRUCT(1, 2)):list[1]::INT, ATTRS:l::STRING", [(2, "m")]),
    ("ARRAY_GENERATE_RANGE(2, 5)", [("[2,3,4]",)]),
    (
        "SELECT ARRAY_AGG(DISTINCT ID) WITHIN GROUP (ORDER BY ID DESC), ARRAY_AGG(PRICE) FROM DOCS",
        [('["b","a"]', "[1.25]")],
    ),
    ("SELECT ARRAY_AGG(ID), LISTAGG(ID, ',') FROM DOCS WHERE ID = 'z'", [("[]", "")]),
    ("SELECT ARRAY_AGG(BODY:name) WITHIN GROUP (ORDER BY N) FROM DOCS", [('["Bob","Ann"]',)]),
    (
        "SELECT LISTAGG(ID, '+') WITHIN GROUP (ORDER BY ID DESC), LISTAGG(DISTINCT OK) FROM DOCS WHERE OK",
        [("a", "true")],
    ),
    # flatten
    (
        "SELECT D.ID, F.INDEX, F.VALUE:k::INT FROM DOCS D, LATERAL FLATTEN(INPUT => D.BODY:items) F ORDER BY 2",
        [("a", 0, 1), ("a", 1, 2)],
    ),
    (
        "SELECT ID, F.VALUE::STRING FROM DOCS, LATERAL FLATTEN(INPUT => TAGS, OUTER => TRUE) AS F ORDER BY 1, 2",
        [("a", "blue"), ("a", "red"), ("b", None)],
    ),
    (
        "SELECT F.KEY, F.VALUE::STRING, F.INDEX FROM DOCS, TABLE(FLATTEN(ATTRS)) F ORDER BY 1",
        [("k", "1", None), ("l", "m", None)],
    ),
    ("SELECT F.VALUE::INT FROM TABLE(FLATTEN(INPUT => PARSE_JSON('[3, 4]'))) AS F ORDER BY 1", [(3,), (4,)]),
    ("SELECT ID FROM DOCS, LATERAL FLATTEN(INPUT => BODY:name) F", []),
    ("SELECT ID, F.VALUE::INT FROM DOCS LEFT JOIN LATERAL FLATTEN(INPUT => BODY:deep) F WHERE ID = 'b'", [("b", None)]),
    # vectors: a similarity, and not a distance
    ("VECTOR_COSINE_SIMILARITY(E, CAST(PARSE_JSON('[2, 0]') AS VECTOR(FLOAT, 768)))", [(1.0,)]),
    ("VECTOR_INNER_PRODUCT(E, E)", [(1.0,)]),
    ("VECTOR_L2_DISTANCE(E, CAST(PARSE_JSON('[1, 2]') AS VECTOR(FLOAT, 768)))", [(2.0,)]),
    ("E", [([1.0, 0.0],)]),
    # times
    ("MADE_ON, MADE_AT, MADE_AT::DATE", [(date(2026, 1, 31), t("2026-01-31 13:14:15"), date(2026, 1, 31))]),
    ("TO_DATE(MADE_AT), TO_DATE('2026-01-01')", [(date(2026, 1, 31), date(2026, 1, 1))]),
    ("TO_TIMESTAMP_NTZ('2026-01-01 02:00:00')", [(t("2026-01-01 02:00:00"),)]),
    ("TO_TIMESTAMP('2026-01-01')", [(t("2026-01-01 00:00:00"),)]),
    ("'2026-01-01T02:00:00+05:00'::TIMESTAMP_NTZ", [(t("2026-01-01 02:00:00"),)]),
    ("TO_TIMESTAMP_NTZ(BODY:at::STRING)", [(t("2026-01-02 03:04:05"),)]),
    ("TO_TIMESTAMP(BODY:at::STRING), TO_DATE(BODY:at::STRING)", [(t("2026-01-02 03:04:05"), date(2026, 1, 2))]),
    (
        "CONVERT_TIMEZONE('UTC', TRY_CAST('2026-01-02T03:04:05.123456+05:00' AS TIMESTAMP_TZ))::TIMESTAMP_NTZ, "
        "CONVERT_TIMEZONE('UTC', TRY_CAST(BODY:at::VARCHAR AS TIMESTAMP_TZ))::TIMESTAMP_NTZ, "
        "CONVERT_TIMEZONE('UTC', TRY_CAST(BODY:name::VARCHAR AS TIMESTAMP_TZ))::TIMESTAMP_NTZ",
        [(t("2026-01-01 22:04:05.123456"), t("2026-01-02 03:04:05"), None)],
    ),
    (
        "DATEADD(MICROSECOND, REPLACE(TRY_CAST('1.000005' AS NUMBER(17,6))::VARCHAR, '.', '')::NUMBER(38,0), "
        "'1970-01-01'::TIMESTAMP_NTZ)",
        [(t("1970-01-01 00:00:01.000005"),)],
    ),
    ("DATEADD(HOUR, -1, MADE_AT), DATEADD('day', N, MADE_AT)", [(t("2026-01-31 12:14:15"), t("2026-02-05 13:14:15"))]),
    ("TIMESTAMPADD(SECOND, 5, MADE_AT)", [(t("2026-01-31 13:14:20"),)]),
    ("DATEADD(MONTH, 1, MADE_ON::DATE), DATEADD(DAY, -N, TO_DATE(MADE_AT))", [(date(2026, 2, 28), date(2026, 1, 26))]),
    ("DATEADD(WEEK, 1, DATE '2026-01-01')", [(date(2026, 1, 8),)]),
    ("DATEDIFF(DAY, DATE '2026-01-01', MADE_ON), DATEDIFF('hour', MADE_AT, TO_TIMESTAMP('2026-02-01'))", [(30, 11)]),
    ("DATEDIFF(MONTH, MADE_ON, DATE '2026-02-01')", [(1,)]),
    ("DATEDIFF(SECOND, MADE_AT, MADE_AT), DATEDIFF(WEEK, DATE '2026-01-04', DATE '2026-01-05')", [(0, 1)]),
    ("DATEDIFF(YEAR, DATE '2025-12-31', MADE_ON)", [(1,)]),
    ("DATE_TRUNC('WEEK', MADE_AT), DATE_TRUNC(MONTH, MADE_ON::DATE)", [(t("2026-01-26 00:00:00"), date(2026, 1, 1))]),
    ("DATE_TRUNC('HOUR', MADE_AT)", [(t("2026-01-31 13:00:00"),)]),
    ("YEAR(MADE_ON), MONTH(MADE_ON), DAY(MADE_ON), DAYOFWEEK(DATE '2026-02-01')", [(2026, 1, 31, 0)]),
    ("DAYOFWEEKISO(DATE '2026-02-01'), QUARTER(MADE_ON)", [(7, 1)]),
    ("EXTRACT(HOUR FROM MADE_AT), DATE_PART(YEAR, MADE_ON)", [(13, 2026)]),
    ("LAST_DAY(DATE '2026-02-03'), HOUR(MADE_AT), WEEKISO(MADE_ON)", [(date(2026, 2, 28), 13, 5)]),
    ("TO_CHAR(MADE_AT, 'YYYY-MM-DD')", [("2026-01-31",)]),
    ("TO_VARCHAR(MADE_AT, 'YYYY-MM-DD HH24:MI:SS'), TO_CHAR(MADE_ON, 'MON DD')", [("2026-01-31 13:14:15", "Jan 31")]),
    ("TO_CHAR(N)", [("5",)]),
    ("""TO_CHAR(MADE_AT, 'YYYY-MM-DD"T"HH24:MI:SS.FF3%')""", [("2026-01-31T13:14:15.000%",)]),
    ("DATEDIFF(DAY, SYSDATE(), CURRENT_TIMESTAMP()) = 0", [(True,)]),
    ("DATEADD(DAY, -1, CURRENT_DATE()) < CURRENT_DATE()", [(True,)]),
    ("MADE_AT + INTERVAL '1 day'", [(t("2026-02-01 13:14:15"),)]),
    ("MADE_AT - INTERVAL '2 hours'", [(t("2026-01-31 11:14:15"),)]),
    # numbers, text, conditions
    ("5 / 2, N / 2, ROUND(2.5), ROUND(1.256, 2), FLOOR(1.7), CEIL(1.2), ABS(-N)", [(2.5, 2.5, 3, 1.26, 1, 2, 5)]),
    ("MOD(N, 3), N % 2, SIGN(-2), SQRT(N + 4), POWER(2, 3), LN(1), EXP(0)", [(2, 1, -1, 3.0, 8.0, 0.0, 1.0)]),
    ("DIV0(1, 0), DIV0(1, 2), ZEROIFNULL(NULL), NULLIFZERO(0), NULLIF(N, 5)", [(0.0, 0.5, 0, None, None)]),
    ("NVL(NULL, 1), NVL2(N, 'y', 'n'), COALESCE(NULL, 2)", [(1, "y", 2)]),
    ("GREATEST(1, N), LEAST(1, N), GREATEST(1, NULL), N BETWEEN 1 AND 5, N IN (1, 5)", [(5, 1, None, True, True)]),
    ("N NOT IN (1), N <> 5, NOT OK", [(True, False, False)]),
    ("CASE WHEN N > 3 THEN 'big' ELSE 'small' END, CASE N WHEN 5 THEN 1 END", [("big", 1)]),
    ("DECODE(N, 5, 'five', 'other')", [("five",)]),
    ("N IS DISTINCT FROM NULL, EQUAL_NULL(NULL, NULL), N >= 5 AND N <= 5 OR N < 1, -N", [(True, True, True, -5)]),
    ("N IS NOT DISTINCT FROM NULL, NULL IS NOT DISTINCT FROM NULL", [(False, True)]),
    ("TRUE, FALSE, NULL IS NULL", [(True, False, True)]),
    ("CONCAT('x', ID), CONCAT('x', NULL), 'x' || ID, CONCAT_WS('-', 'x', ID)", [("xa", None, "xa", "x-a")]),
    ("CONCAT_WS('-', 'x', NULL)", [(None,)]),
    ("UPPER('ab'), LOWER('AB'), LENGTH('abc'), LEN('abc'), TRIM(' a ')", [("AB", "ab", 3, 3, "a")]),
    ("LTRIM('xa', 'x'), RTRIM('a '), REPLACE('aba', 'b', 'c')", [("a", "a", "aca")]),
    ("SUBSTR('abcd', 2, 2), SUBSTRING('abcd', 3), LEFT('abcd', 2), RIGHT('abcd', 1)", [("bc", "cd", "ab", "d")]),
    ("POSITION('c' IN 'abc'), CHARINDEX('c', 'abc'), REVERSE('ab'), REPEAT('ab', 2)", [(3, 3, "ba", "abab")]),
    ("LPAD('7', 3, '0'), RPAD('7', 2, '0')", [("007", "70")]),
    ("'abc' LIKE 'a%', 'ABC' ILIKE 'a%', CONTAINS('abc', 'b'), STARTSWITH('abc', 'a')", [(True, True, True, True)]),
    ("ENDSWITH('abc', 'c'), 'abc' NOT LIKE 'b%', 'abc' LIKE ANY ('x%', 'a%')", [(True, True, True)]),
    ("REGEXP_LIKE('abc', 'a.*'), REGEXP_LIKE('abc', 'b'), REGEXP_REPLACE('a1b2', '[0-9]', '')", [(True, False, "ab")]),
    ("REGEXP_SUBSTR('a1b', '[0-9]'), REGEXP_SUBSTR('ab', '[0-9]'), REGEXP_COUNT('a1b2', '[0-9]')", [("1", None, 2)]),
    ("MD5('a')", [("0cc175b9c0f1b6a831c399e269772661",)]),
    ("SHA2('a'), TO_NUMBER('12')", [("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", 12)]),
    ("TRY_TO_NUMBER('x'), TO_DOUBLE('1.5'), TO_BOOLEAN('true')", [(None, 1.5, True)]),
    # aggregates and windows
    (
        "SELECT COUNT(*), COUNT(PRICE), COUNT(DISTINCT OK), SUM(N), AVG(N), MIN(ID), MAX(N), COUNT_IF(N > 3), "
        "MEDIAN(N), ANY_VALUE(1) FROM DOCS",
        [(2, 1, 2, 7, 3.5, "a", 5, 1, 3.5, 1)],
    ),
    (
        "SELECT MAX_BY(ID, N), MIN_BY(ID, N), BOOLOR_AGG(OK), BOOLAND_AGG(OK), PERCENTILE_CONT(0.5) WITHIN GROUP "
        "(ORDER BY N), STDDEV(N) > 2, VARIANCE(N) > 4 FROM DOCS",
        [("a", "b", True, False, 3.5, True, True)],
    ),
    (
        "SELECT ID, ROW_NUMBER() OVER (ORDER BY N), RANK() OVER (ORDER BY N DESC), DENSE_RANK() OVER (ORDER BY N), "
        "LAG(ID) OVER (ORDER BY N), LEAD(N, 1) OVER (ORDER BY N), SUM(N) OVER (ORDER BY N ROWS BETWEEN UNBOUNDED "
        "PRECEDING AND CURRENT ROW), NTILE(1) OVER (ORDER BY N), COUNT(*) OVER (PARTITION BY OK) FROM DOCS ORDER BY "
        "ID",
        [("a", 2, 1, 2, "b", None, 7, 1, 1), ("b", 1, 2, 1, None, 5, 2, 1, 1)],
    ),
    (
        "SELECT FIRST_VALUE(ID) OVER (ORDER BY N), LAST_VALUE(ID) OVER (ORDER BY N ROWS BETWEEN UNBOUNDED PRECEDING "
        "AND UNBOUNDED FOLLOWING), AVG(N) OVER (ORDER BY MADE_AT ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM DOCS "
        "ORDER BY N LIMIT 1",
        [("b", "a", 3.5)],
    ),
    ("SELECT OK, SUM(N) AS S FROM DOCS GROUP BY OK HAVING S > 3", [(True, 5)]),
    ("SELECT ID, COUNT(*) FROM DOCS GROUP BY ALL  ORDER BY ID", [("a", 1), ("b", 1)]),
    ("SELECT ID FROM DOCS QUALIFY ROW_NUMBER() OVER (PARTITION BY 1 ORDER BY N DESC) = 1", [("a",)]),
    ("SELECT PRICE FROM DOCS ORDER BY PRICE DESC", [(None,), (1.25,)]),
    ("SELECT PRICE FROM DOCS ORDER BY PRICE", [(1.25,), (None,)]),
    ("SELECT PRICE FROM DOCS ORDER BY PRICE DESC NULLS LAST LIMIT 1 OFFSET 0", [(1.25,)]),
    # queries
    (
        "SELECT DISTINCT D.ID FROM DOCS AS D INNER JOIN DOCS AS O ON D.ID = O.ID LEFT JOIN DOCS AS X ON X.ID = 'z' "
        "CROSS JOIN (SELECT 1 AS Y) AS Z ORDER BY D.ID",
        [("a",), ("b",)],
    ),
    (
        "SELECT X.ID FROM DOCS AS D FULL OUTER JOIN DOCS AS X USING (ID) WHERE EXISTS (SELECT 1 FROM DOCS AS O WHERE "
        "O.ID = X.ID AND O.N > 3)",
        [("a",)],
    ),
    (
        "WITH A AS (SELECT ID FROM DOCS UNION ALL SELECT 'c'), B AS (SELECT ID FROM A UNION SELECT 'c') SELECT ID "
        "FROM B EXCEPT SELECT 'a' ORDER BY 1",
        [("b",), ("c",)],
    ),
    (
        "WITH A AS (SELECT ID FROM DOCS) SELECT ID, 1 AS O FROM A UNION ALL SELECT DISTINCT ID, 2 FROM A ORDER BY "
        "ID, O LIMIT 2",
        [("a", 1), ("a", 2)],
    ),
    ("SELECT ID FROM DOCS INTERSECT SELECT 'a'", [("a",)]),
    (
        "WITH RECURSIVE R AS (SELECT 1 AS N UNION ALL SELECT N + 1 FROM R WHERE N < 3) SELECT N FROM R ORDER BY N",
        [(1,), (2,), (3,)],
    ),
    (
        "SELECT * EXCLUDE (BODY, TAGS, ATTRS, E, N, PRICE, RATIO, OK, MADE_ON, MADE_AT) FROM DOCS WHERE ID NOT IN "
        "(SELECT 'b')",
        [("a",)],
    ),
    ("SELECT V.X, V.Y FROM (VALUES (1, 'p'), (2, 'q')) AS V (X, Y) ORDER BY 1", [(1, "p"), (2, "q")]),
    (
        "SELECT ROW_NUMBER() OVER (ORDER BY SEQ4()) - 1 AS I FROM TABLE(GENERATOR(ROWCOUNT => 3)) ORDER BY I",
        [(0,), (1,), (2,)],
    ),
    (
        "SELECT (SELECT MAX(N) FROM DOCS) AS M, D.* EXCLUDE (BODY, TAGS, ATTRS, E, N, PRICE, RATIO, OK, MADE_ON, "
        "MADE_AT) FROM DOCS AS D WHERE D.ID = 'a'",
        [(5, "a")],
    ),
    ("SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'DOCS'", [(1,)]),
]

# (change, parameters, rows changed, a SELECT afterwards, its rows), in order, on a copy of DOCS named C.
CHANGES: list[tuple[str, tuple[Parameter, ...], int, str, list[tuple[object, ...]]]] = [
    ("CREATE OR REPLACE TABLE C AS SELECT ID, N, BODY, MADE_AT FROM DOCS", (), 0, "SELECT COUNT(*) FROM C", [(2,)]),
    (
        "INSERT INTO C (ID, N) VALUES (?, ?), ('d', NULL)",
        ("c", 7),
        2,
        "SELECT ID, N FROM C WHERE BODY IS NULL ORDER BY 1",
        [("c", 7), ("d", None)],
    ),
    (
        "UPDATE C SET N = N + ?, MADE_AT = ? WHERE ID = ? AND N = ?",
        (1, t("2026-01-01 01:00:00+01:00"), "c", 7),
        1,
        "SELECT N, MADE_AT FROM C WHERE ID = 'c'",
        [(8, t("2026-01-01 00:00:00"))],
    ),
    ("UPDATE C SET N = NULL WHERE ID = 'none'", (), 0, "SELECT COUNT(N) FROM C", [(3,)]),
    (
        "UPDATE C SET N = S.N FROM (SELECT ID, N * 10 AS N FROM DOCS) AS S WHERE C.ID = S.ID AND (S.N > 20 OR S.N IS "
        "NULL)",
        (),
        1,
        "SELECT N FROM C WHERE ID = 'a'",
        [(50,)],
    ),
    (
        """
        MERGE INTO C AS T USING (
          SELECT ? AS ID, 9 AS N, PARSE_JSON(?) AS BODY QUALIFY ROW_NUMBER() OVER (PARTITION BY ID ORDER BY N) = 1
        ) AS S ON T.ID = S.ID
        WHEN MATCHED AND S.N < T.N THEN DELETE
        WHEN MATCHED THEN UPDATE SET T.N = S.N, T.BODY = S.BODY
        WHEN NOT MATCHED THEN INSERT (ID, N, BODY) VALUES (S.ID, S.N, S.BODY)
        """,
        ("c", '{"k": 1}'),
        1,
        "SELECT N, BODY:k::INT FROM C WHERE ID = 'c'",
        [(9, 1)],
    ),
    (
        "MERGE INTO C USING DOCS AS S ON C.ID = S.ID AND S.ID = 'a' WHEN MATCHED AND S.N < C.N THEN DELETE WHEN NOT "
        "MATCHED THEN INSERT (ID, N) VALUES (S.ID || '2', S.N)",
        (),
        2,
        "SELECT ID FROM C ORDER BY 1",
        [("b",), ("b2",), ("c",), ("d",)],
    ),
    (
        "DELETE FROM C WHERE ID IN (SELECT ID FROM DOCS) OR N IS NULL",
        (),
        2,
        "SELECT ID FROM C ORDER BY 1",
        [("b2",), ("c",)],
    ),
    (
        "ALTER TABLE C ADD COLUMN IF NOT EXISTS NOTE VARCHAR COMMENT 'new'",
        (),
        0,
        "SELECT NOTE FROM C LIMIT 1",
        [(None,)],
    ),
    ("ALTER TABLE C ADD COLUMN OTHER NUMBER(38,0)", (), 0, "SELECT OTHER FROM C LIMIT 1", [(None,)]),
    ("CREATE SCHEMA IF NOT EXISTS S COMMENT = 'a schema'", (), 0, "SELECT 1", [(1,)]),
    (
        "CREATE OR REPLACE SECURE VIEW S.V (X COMMENT 'the key') COPY GRANTS COMMENT = 'a view' AS SELECT ID FROM C",
        (),
        0,
        "SELECT X FROM S.V ORDER BY X LIMIT 1",
        [("b2",)],
    ),
    (
        "CREATE OR REPLACE DYNAMIC TABLE S.D (N NUMBER(38,0) COMMENT 'rows') TARGET_LAG = '10 minutes' WAREHOUSE = W "
        "REFRESH_MODE = INCREMENTAL ROW_TIMESTAMP = TRUE AS SELECT COUNT(*) AS N FROM C",
        (),
        0,
        "SELECT N, ABS(DATEDIFF(SECOND, METADATA$ROW_LAST_COMMIT_TIME, SYSDATE())) < 60 FROM S.D",
        [(2, True)],
    ),
    ("DELETE FROM C", (), 2, "SELECT N FROM S.D", [(2,)]),
    (
        "CREATE TRANSIENT TABLE S.T (A INT, B FLOAT, C TIMESTAMP_NTZ DEFAULT CURRENT_TIMESTAMP(), PRIMARY KEY (A))",
        (),
        0,
        "SELECT COUNT(*) FROM S.T",
        [(0,)],
    ),
    (
        "INSERT INTO S.T (A, B) SELECT 1, 2 UNION ALL SELECT 1, 3",
        (),
        2,
        "SELECT A, ABS(DATEDIFF(SECOND, C, SYSDATE())) < 60 FROM S.T LIMIT 1",
        [(1, True)],
    ),
    ("DROP VIEW IF EXISTS S.V", (), 0, "SELECT 1", [(1,)]),
    ("DROP TABLE S.T", (), 0, "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'T'", [(0,)]),
]

# (SELECT list, parameters, expected row). The order of the text counts, also where DuckDB wants another.
BOUND: list[tuple[str, tuple[Parameter, ...], tuple[object, ...]]] = [
    ("DATEADD(DAY, ?, CAST(? AS DATE)), ?", (1, "2026-01-01", "last"), (date(2026, 1, 2), "last")),
    ("ARRAY_CONTAINS(CAST(? AS VARIANT), PARSE_JSON(?))", ("a", '["a"]'), (True,)),
    ("A FROM (VALUES (1), (2)) AS V (A) WHERE A < ? ORDER BY A LIMIT ?", (9, 1), (1,)),
    ("IFF(? = 'x', 1, 2), ARRAY_SIZE(PARSE_JSON(?)), ? IS NULL", ("x", "[1]", None), (1, 1, True)),
]

REFUSED = [
    ("CREATE OR ALTER TABLE X (A INT)", "OR ALTER"),
    ("CALL P()", "Command"),
    ("INSERT OVERWRITE INTO C SELECT * FROM C", "overwrite"),
    ("SELECT HASH(ID) FROM DOCS", "HASH"),
    ("SELECT INITCAP(ID) FROM DOCS", "Initcap"),
    ("SELECT ID FROM DOCS WHERE BODY:name = 'Ann'", "without a cast"),
    ("SELECT BODY:n + 1 FROM DOCS", "without a cast"),
    ("SELECT 'x' || BODY:name FROM DOCS", "without a cast"),
    ("SELECT -F.VALUE FROM TABLE(FLATTEN(INPUT => ARRAY_GENERATE_RANGE(0, 3))) AS F", "F.VALUE::type"),
    ("SELECT 1 FROM DOCS, LATERAL FLATTEN(INPUT => TAGS) AS F WHERE F.VALUE IN ('red')", "without a cast"),
    ("SELECT ID FROM DOCS TABLESAMPLE (10)", "Table with sample"),
    ("SELECT ID FROM DOCS AT (OFFSET => -60)", "Table with when"),
    ("SELECT COLUMN1 FROM VALUES (1)", "VALUES"),
    ("SELECT TO_CHAR(MADE_AT, 'Q') FROM DOCS", "format"),
    ("SELECT TO_DATE(ID, 'DD/MM') FROM DOCS", "format"),
    ("SELECT MADE_AT::TIMESTAMP_TZ FROM DOCS", "TIMESTAMP"),
    ("SELECT CONVERT_TIMEZONE('Europe/Berlin', TRY_CAST(ID AS TIMESTAMP_TZ)) FROM DOCS", "TIMESTAMP"),
    ("SELECT CONVERT_TIMEZONE('UTC', MADE_AT) FROM DOCS", "CONVERT_TIMEZONE"),
    ("SELECT F.VALUE FROM DOCS, LATERAL FLATTEN(INPUT => BODY, RECURSIVE => TRUE) F", "RECURSIVE"),
    ("CREATE TABLE X (A INT) ENABLE_SCHEMA_EVOLUTION = TRUE", "ENABLE_SCHEMA_EVOLUTION"),
    ("CREATE TABLE X (A INT CHECK (A > 1))", "CheckColumnConstraint"),
    ("CREATE TABLE X CLONE Y", "Create with clone"),
    ("CREATE STAGE X", "STAGE"),
    ("SELECT 1; SELECT 2", "2 statements"),
    ("SELECT 'open", "read"),
    ("SELECT FROM WHERE", "read"),
    ("SELECT CAST(ID AS VECTOR(FLOAT, 3)) FROM DOCS", "768"),
    ("SELECT ARRAY_AGG(ID) OVER (PARTITION BY N) FROM DOCS", "OVER"),
]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Of dimension 2, so that a vector can be read."""
    with Small(tmp_path_factory.mktemp("dialect") / "w.duckdb", EmbeddingSettings(model="hash-64")) as small:
        for statement in SETUP:
            small.execute(statement)
        yield small


class Small(DuckDbWarehouse):
    def text(self, sql: str) -> str:
        return dialect.to_duckdb(sql, 2, "TINY")


def _select(sample: str) -> str:
    return sample if sample.split()[0] in ("SELECT", "WITH") else f"SELECT {sample} FROM DOCS WHERE ID = 'a'"


@pytest.mark.parametrize(("sample", "expected"), SAMPLES, ids=[sample for sample, _ in SAMPLES])
def test_a_rule_executes(warehouse: Warehouse, sample: str, expected: list[tuple[object, ...]]) -> None:
    rows = [tuple(row.values()) for row in _distinctly_named(warehouse, _select(sample))]
    assert rows == [tuple(pytest.approx(v) if isinstance(v, float) else v for v in row) for row in expected]


def test_changes_execute(warehouse: Warehouse) -> None:
    for change, parameters, changed, look, expected in CHANGES:
        assert warehouse.execute(change, parameters) == changed, change
        assert [tuple(row.values()) for row in _distinctly_named(warehouse, look)] == expected, change


@pytest.mark.parametrize(("sample", "parameters", "expected"), BOUND, ids=[sample for sample, _, _ in BOUND])
def test_values_are_bound_in_the_order_of_the_text(
    warehouse: Warehouse, sample: str, parameters: tuple[Parameter, ...], expected: tuple[object, ...]
) -> None:
    [row] = _distinctly_named(warehouse, f"SELECT {sample}", parameters)
    assert tuple(row.values()) == expected


@pytest.mark.parametrize(("sql", "named"), REFUSED, ids=[sql for sql, _ in REFUSED])
def test_what_is_not_proved_is_refused(warehouse: Warehouse, sql: str, named: str) -> None:
    with pytest.raises(UnsupportedSql, match=re.escape(named)):
        warehouse.execute(sql)


def test_the_time_is_utc_wherever_the_machine_stands(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from resources.profile import EmbeddingSettings
from resources.warehouse.duckdb_adapter import DuckDbWarehouse
with DuckDbWarehouse(Path({str(tmp_path / "w.duckdb")!r}), EmbeddingSettings(model="hash-64")) as warehouse:
    warehouse.execute("CREATE TABLE T (A TIMESTAMP_NTZ DEFAULT CURRENT_TIMESTAMP(), B INT)")
    warehouse.execute("INSERT INTO T (B) VALUES (1)")
    [row] = warehouse.query("SELECT A, SYSDATE() AS B, CURRENT_DATE() AS C FROM T").to_pylist()
    print(*(value.isoformat() for value in row.values()))
"""
    elsewhere = os.environ | {"TZ": "Pacific/Kiritimati"}
    run = subprocess.run([sys.executable, "-c", code], env=elsewhere, capture_output=True, text=True, check=True)
    now, (stored, asked, day) = datetime.now(UTC).replace(tzinfo=None), map(t, run.stdout.split())
    assert abs(now - stored) < timedelta(minutes=1)
    assert abs(now - asked) < timedelta(minutes=1)
    assert day.date() == asked.date()


def test_exactly_what_was_executed_here_is_allowed() -> None:
    """The list in dialect_allowed.py, made from the statements of this file. A new sample? Put what it prints there."""
    used: dict[str, set[str]] = defaultdict(set)
    texts = [*SETUP, *(_select(sample) for sample, _ in SAMPLES), *(change[0] for change in CHANGES)]
    texts += [f"SELECT {sample}" for sample, _, _ in BOUND]
    for text in texts:
        for name, parts in dialect_allowed.constructs(dialect.parse(dialect.numbered(text))):
            used[name] |= parts
    lines = "\n".join(" ".join([name, *sorted(parts)]) for name, parts in sorted(used.items()))
    assert lines == dialect_allowed.PROVED.strip(), lines


def test_the_models_dimension_and_table_stand_in_the_tree() -> None:
    sql = "SELECT CAST(X AS VECTOR(FLOAT, 768)), '768', 768 FROM A.MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5"
    shaped = dialect.to_snowflake(sql, 384, "ALL_MINILM_L6_V2")
    assert "VECTOR(FLOAT, 384)" in shaped
    assert "'768', 768 FROM A.MEMORY_RECORDS_ALL_MINILM_L6_V2" in shaped
    assert dialect.to_snowflake(sql, 768, "ARCTIC_EMBED_M_V1_5") is sql


def test_a_quoted_table_is_another_models() -> None:
    sql = 'SELECT 1 FROM A."MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5"'
    assert dialect.to_snowflake(sql, 384, "ALL_MINILM_L6_V2") == sql
    assert '"MEMORY_RECORDS_ARCTIC_EMBED_M_V1_5"' in dialect.to_duckdb(sql, 384, "ALL_MINILM_L6_V2")


def test_a_file_splits_at_semicolons_that_end_statements() -> None:
    text = "-- a; b\nSELECT ';'; /* ; */ SELECT $$;$$;\n-- the end;\n"
    assert dialect.split(text) == ["-- a; b\nSELECT ';'", "/* ; */ SELECT $$;$$"]
    assert dialect.split("SELECT 1") == ["SELECT 1"]
    assert dialect.split(";;") == []


def test_a_broken_statement_is_told_in_one_line(warehouse: Warehouse) -> None:
    with pytest.raises(StatementFailed, match="NOWHERE") as caught:
        warehouse.query("SELECT 1 FROM NOWHERE")
    assert "\n" not in str(caught.value)


def _distinctly_named(
    warehouse: Warehouse, sql: str, parameters: tuple[Parameter, ...] = ()
) -> list[dict[str, object]]:
    table = warehouse.query(sql, parameters)
    return table.rename_columns([str(number) for number in range(table.num_columns)]).to_pylist()
