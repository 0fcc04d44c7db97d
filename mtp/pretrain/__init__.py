"""Multi-task pretraining: the model, its data flow and its training loop (MTP, arXiv 2403.13430)."""
import mtp.waiting  # noqa: F401 -- before torch is imported
