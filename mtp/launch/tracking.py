"""Where a run sends its curves, as TRACK asks. Pure."""
from typing import TYPE_CHECKING

from mtp.launch.allowed import choose

if TYPE_CHECKING:
    from mtp.launch.settings import Settings

TRACKERS = ('wandb', 'mlflow')


def tracker(settings: 'Settings') -> str:
    """One of TRACKERS, as TRACK asks, or ''."""
    value = settings.words['TRACK'].lower()
    return value and choose('TRACK', value, TRACKERS)


def tracks_online(settings: 'Settings') -> bool:
    """Whether the user has said that a run sends its curves over the network while it works."""
    if tracker(settings) == 'wandb':
        return settings.environ.get('WANDB_MODE') == 'online'
    address = settings.environ.get('MLFLOW_TRACKING_URI', '')
    return tracker(settings) == 'mlflow' and '://' in address and not address.startswith('file:')
