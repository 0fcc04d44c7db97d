"""The published weights: which there are, which are here, how to get them, and what a file is whatever it is called."""
