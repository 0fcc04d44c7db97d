"""Thin layers between the core and the toolboxes: one folder an environment; the modules here know no OpenMMLab."""
import mtp.waiting  # noqa: F401 -- before torch is imported
