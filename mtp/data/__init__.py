"""Data sets: the catalogue, readers, converters and tiny sample sets. Importing this package imports nothing heavy."""
