"""Photometric distortion of the training images (published.md#augmentation)."""
import cv2
import numpy as np

BRIGHTNESS = 32.0
CONTRAST = SATURATION = (0.5, 1.5)
HUE = 18  # of OpenCV's 180 half degrees


def distort(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue, each with probability 1/2; contrast stands first or last by a coin.

    Args:
        image: (h, w, 3) BGR. ``uint8`` is right. ``float32`` is how the released code does it: OpenCV's HSV then has
            other ranges, and saturation and hue are damaged (published.md#colour-distortion).
        rng: numpy Generator.

    Returns:
        A new image, uint8 wherever brightness or contrast acted last, else of the input's type.
    """
    # every draw is made, whatever the coins say: later draws then do not depend on them
    coins = rng.random(5) < 0.5
    brightness = rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    contrast, saturation = rng.uniform(*CONTRAST), rng.uniform(*SATURATION)
    hue = int(rng.integers(-HUE, HUE))
    early = coins[4]
    if coins[0]:
        image = _linear(image, 1.0, brightness)
    if coins[1] and early:
        image = _linear(image, contrast, 0.0)
    if coins[2]:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        hsv[..., 1] = _linear(hsv[..., 1], saturation, 0.0)
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    if coins[3]:
        hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(np.int32) + hue) % 180
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
    if coins[1] and not early:
        image = _linear(image, contrast, 0.0)
    return image


def _linear(image: np.ndarray, factor: float, shift: float) -> np.ndarray:
    """``image * factor + shift``, clipped and cut to uint8."""
    return np.clip(image.astype(np.float32) * np.float32(factor) + np.float32(shift), 0, 255).astype(np.uint8)
