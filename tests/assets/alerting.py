"""A code location that holds the sensors of alerts, and nothing that could fail."""

import dagster as dg

from assets.alerts import SENSORS
from resources.definitions import PROFILE

defs = dg.Definitions(sensors=SENSORS, resources={"profile": PROFILE})
