"""Multi-task pretraining: the model, its data flow and its training loop (MTP, arXiv 2403.13430)."""
import os

# Before torch is imported: threads that wait for each other sleep instead of spinning. On a CPU that others use too
# (loader processes, other jobs) spinning made a step ten times slower; on an idle one nothing is lost.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
