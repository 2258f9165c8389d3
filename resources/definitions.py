"""What Dagster gets of this package: the profile, read when a run begins. The only file here that knows Dagster."""

import dagster as dg

from resources.profile import Profile

PROFILE = dg.ResourceDefinition(
    lambda _: Profile.read(),
    description="Settings and secrets, read from the environment inside the run; definitions load without any.",
)
