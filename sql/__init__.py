"""SQL text in Snowflake's dialect: migrations/, rollups/ and views/. A file's name says when it runs."""
