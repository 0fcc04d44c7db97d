"""A fast path that one library hides on some processors."""
import os
import re
from typing import MutableMapping, Optional

import torch


def wake_mkl(cpuinfo: str = '/proc/cpuinfo', library: Optional[str] = None,
             environ: MutableMapping[str, str] = os.environ) -> bool:
    """Let MKL before 2020.1 (torch up to 1.13) use AVX2 on AMD processors, where it chooses SSE by itself.

    Matrix products run about three times as fast. MKL reads the variable at its first product, so this has to come
    before it; later it does nothing. A value that the user has set stays.

    Returns:
        bool: whether the variable was set.
    """
    version = re.search(r'Math Kernel Library Version (\d+)\.(\d+)', library or torch.__config__.show())
    if not version or (int(version.group(1)), int(version.group(2))) > (2020, 0) or 'MKL_DEBUG_CPU_TYPE' in environ:
        return False
    try:
        with open(cpuinfo) as stream:
            description = stream.read()
    except OSError:
        return False
    if 'AuthenticAMD' not in description or 'avx2' not in description.split():
        return False
    environ['MKL_DEBUG_CPU_TYPE'] = '5'
    return True
