from tests.pipelines.conftest import rig

__all__ = ["rig"]
