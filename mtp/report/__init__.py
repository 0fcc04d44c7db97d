"""What a run leaves for people: passport, plots, tables, pages."""
