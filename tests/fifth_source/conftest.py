"""Its test runs where its source is: in the copy of the project that tests/test_fifth_source.py makes."""

collect_ignore = ["tests"]
