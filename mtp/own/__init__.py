"""Data of one's own: what a folder holds, whether it can be trained on, and the config that trains on it."""
