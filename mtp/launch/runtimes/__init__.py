"""In what a command runs: the one table of runtimes. Each is a class, and what is asked of all stands in ``base``."""
from typing import TYPE_CHECKING, Dict, List

from mtp.launch.runtimes.apptainer import Apptainer
from mtp.launch.runtimes.base import Runtime
from mtp.launch.runtimes.docker import Docker
from mtp.launch.runtimes.native import Native
from mtp.launch.runtimes.podman import Podman
from mtp.launch.runtimes.pyxis import Pyxis

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.settings import Settings

# In the order in which RUNTIME=auto tries them; the last is taken where none is complete.
TABLE: Dict[str, Runtime] = {each.name: each for each in (Apptainer(), Docker(), Podman(), Pyxis(), Native())}


def get(name: str) -> Runtime:
    """The runtime of that name.

    Raises:
        KeyError: there is none.
    """
    return TABLE[name]


def possible(settings: 'Settings') -> List[Runtime]:
    """Those that RUNTIME leaves open."""
    return [each for each in TABLE.values() if settings.runtime == (
        each.name if settings.runtime != 'auto' or not each.here else 'auto')]


def engines() -> List[Docker]:
    """Those that hold images by name."""
    return [each for each in TABLE.values() if isinstance(each, Docker)]


def maker(settings: 'Settings', host: 'Host') -> Docker:
    """The engine that ``make images`` works with: as RUNTIME asks, else the first that is installed."""
    asked = [each for each in engines() if each.name == settings.runtime]
    here = [each for each in engines() if each.client in host.tools]
    return (asked or here or engines())[0]


def file_maker(settings: 'Settings') -> Apptainer:
    """What ``make sif`` works with: apptainer, unless RUNTIME asks for another one that starts files."""
    asked = TABLE.get(settings.runtime)
    return asked if isinstance(asked, Apptainer) else Apptainer()


def readers(setting: str) -> List[str]:
    """Names of the runtimes that use ``setting``, one that not all of them use; none where it is no such setting."""
    return [each.name for each in TABLE.values() if setting in each.settings]
