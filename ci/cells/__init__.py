"""The cells of ``ci/matrix``: what is typed (``verbs``), in what it runs (``runtimes``), and which of them today."""
