"""What Dagster knows: assets, jobs, resources. Thin and declarative; the work is in `pipelines`."""
