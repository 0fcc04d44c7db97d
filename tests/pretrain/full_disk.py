"""Pretraining on a disk that is full after the first checkpoint."""
import errno

import torch

from mtp.pretrain import cli


def main(words):
    """As the program, but the second model file meets a full disk half way."""
    save, count = torch.save, []

    def limited(payload, path):
        if 'optimizer' in payload:
            count.append(path)
        if len(count) == 2:
            with open(path, 'wb') as stream:
                stream.write(b'half')
            raise OSError(errno.ENOSPC, 'No space left on device')
        save(payload, path)

    torch.save = limited
    return cli.main(words)
