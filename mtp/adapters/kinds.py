"""What both generations of the toolboxes have, as types: the modules here import neither."""
from typing import Any, Dict, Protocol


class Config(Protocol):
    """What is asked of a ``Config``, mmengine's or that of mmcv 1; its settings are attributes and items."""

    def get(self, name: str, default: Any = None) -> Any:
        """A setting."""

    def merge_from_dict(self, options: Dict[str, Any]) -> None:
        """Put in settings by dotted names."""

    def __getattr__(self, name: str) -> Any:
        ...

    def __setattr__(self, name: str, value: Any) -> None:
        ...

    def __setitem__(self, name: str, value: Any) -> None:
        ...
