"""How threads of OpenMP wait for their next loop; import it before torch.

By default they spin for a while, and where several processes work on one machine they take the cores from each other.
Whoever sets ``OMP_WAIT_POLICY`` keeps what is set.
"""
import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
