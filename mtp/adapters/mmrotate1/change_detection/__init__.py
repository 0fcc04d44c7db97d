"""Change detection on mmengine and mmseg, under the type names and in the scope of Open-CD 1.1.0.

The published configs say ``default_scope = 'opencd'``. That package is on no package index, so the few parts that the
24 runs use are made here: they resolve whether it is installed or not, and are always the ones that run.
"""
from mtp.adapters.mmrotate1.change_detection import (datasets, models, registry, transforms,  # noqa: F401 (registers)
                                                     visualization)

registry.install()
