"""What Dagster gets of this package: the profile, read when a run begins. The only file here that knows Dagster."""

from __future__ import annotations

import dagster as dg

from resources.profile import Profile


class ProfileResource(dg.ConfigurableResourceFactory[Profile]):
    """Reads the environment inside the run, so that definitions load where no variable is set."""

    def create_resource(self, context: dg.InitResourceContext) -> Profile:
        """Raises InvalidSetting."""
        return Profile.read()
