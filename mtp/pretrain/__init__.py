"""Multi-task pretraining: the model, its data flow and its training loop (MTP, arXiv 2403.13430)."""
