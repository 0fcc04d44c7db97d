"""Thin layers between the core and the toolboxes: one folder an environment; the modules here know no OpenMMLab."""
