"""Says which file is mapped behind the masks of SOTA: in this process and in a loader process of it."""
import torch
from torch.utils.data import DataLoader, Dataset

from mtp.pretrain.data import annotation_cache


class Asked(Dataset):
    """Item 0 is the line that the process writes which computes it."""

    def __init__(self, found):
        self.found = found

    def __len__(self):
        return 1

    def __getitem__(self, _):
        return behind(self.found)


class Alone:
    """A communicator of one process."""

    local = 0

    @staticmethod
    def first(work):
        return work()

    def wait(self):
        pass


def behind(found):
    """Inode and rights of the mapping that holds the masks' first byte."""
    address = found.rle.__array_interface__['data'][0]
    with open('/proc/self/maps') as stream:
        for line in stream:
            fields = line.split()
            low, high = (int(side, 16) for side in fields[0].split('-'))
            if low <= address < high:
                return f'{fields[4]} {fields[1]}'
    return 'none'


def main(words):
    torch.set_num_threads(1)
    found = annotation_cache.read(words[0], 'sota', 'train', True, Alone())
    print(behind(found))
    print(*DataLoader(Asked(found), batch_size=None, num_workers=1))
