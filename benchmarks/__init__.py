"""How fast it is, as ratios measured in one run. Each prints a table and, as its last line, one JSON object."""
