"""``python -m mtp.distributed.torchrun``: ``torch.distributed.run``, once the port is known to be free and all servers
are there.

torchrun itself waits for another server in silence, for minutes, and ends with a traceback; so it does where the port
is taken. Standard library only: what it starts brings torch.
"""
import argparse
import os
import sys
from typing import Optional, Sequence

from mtp.distributed import handshake
from mtp.errors import run_main

PROGRAM = 'torch.distributed.run'


def options(words: Sequence[str]) -> argparse.Namespace:
    """What of torchrun's own options decides where the servers meet; those of the program behind them are not looked
    at.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name, default in (('nnodes', '1'), ('node_rank', '0'), ('master_addr', '127.0.0.1'), ('master_port', '29500')):
        parser.add_argument('--' + name, default=default)
    own = words[:next((index for index, word in enumerate(words) if not word.startswith('-')), len(words))]
    return parser.parse_known_args(own)[0]


def main(words: Optional[Sequence[str]] = None) -> None:
    """Meet the other servers, or look at the port; then become torchrun."""
    words = sys.argv[1:] if words is None else words
    chosen = options(words)
    if chosen.nnodes == '1':
        handshake.listen(int(chosen.master_port), chosen.master_addr).close()
    else:
        place = '{}:{}'.format(chosen.master_addr, chosen.master_port)
        sys.stderr.write('server {} of {} (NODE_RANK, from 0) waits for the others at {}\n'.format(
            chosen.node_rank, chosen.nnodes, place))
        handshake.meet({'RANK': chosen.node_rank, 'WORLD_SIZE': chosen.nnodes, 'MASTER_ADDR': chosen.master_addr,
                      'MASTER_PORT': chosen.master_port}, os.environ, what='servers')
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, '-m', PROGRAM] + list(words))


if __name__ == '__main__':
    run_main(main)
