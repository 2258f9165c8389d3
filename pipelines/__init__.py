"""Bring data in and on: sources, landing, catalog, publishing. Knows nothing of Dagster."""
