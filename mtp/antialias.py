"""A name that torch's TensorBoard writer asks Pillow for: torch 1.10 and 1.13 use ``Image.ANTIALIAS``, which Pillow 10
dropped for ``Image.LANCZOS``. Without it the first picture that a hook draws ends a training."""
from PIL import Image


def give() -> None:
    """Let Pillow know the filter by its old name, too."""
    if not hasattr(Image, 'ANTIALIAS'):
        Image.ANTIALIAS = Image.LANCZOS
