"""Cutting big images into windows, storing the detections found in them, and merging these back."""
