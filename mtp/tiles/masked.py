"""Rasters that can hold no data: their pixels have a fourth channel, 255 where there is data and 0 elsewhere.

No data is what the file itself says: its NoData value in all bands that are looked at, an alpha of 0, a mask of its
own, numbers that are not finite. A file that says nothing of the kind has three channels, as everywhere.
"""
from typing import Optional, Tuple

import numpy as np

from mtp.data import raster_files

from . import panes, rasters, rows


class MaskedRaster(rasters.Raster):
    """A :class:`~mtp.tiles.rasters.Raster` whose pixels say whether there are any."""

    channels = 4

    def pixels(self, window: panes.Window) -> np.ndarray:
        """See :class:`~mtp.tiles.panes.WindowRows`."""
        bands = list(self._bands)
        valid = (self.masks(bands, window=window) > 0).any(axis=0)
        values = self.read(bands, window=window)
        if values.dtype.kind == 'f':
            valid &= np.isfinite(values).all(axis=0)
        return np.dstack([self._colours(values), np.where(valid, np.uint8(255), np.uint8(0))])


def open_masked(path: str, colours: rasters.Colours = rasters.Colours()) -> rows.Rows:
    """As :func:`mtp.tiles.rows.open_rows`, with a fourth channel where the file can hold no data."""
    with raster_files.open_raster(path) as opened:
        bands = rasters.bands_of(opened, path, colours)
        flags = [[flag.name for flag in opened.mask_flag_enums[band - 1]] for band in bands]
        plain = all('all_valid' in each for each in flags) and not opened.dtypes[bands[0] - 1].startswith('float')
    return rows.open_rows(path, colours) if plain else MaskedRaster(path, colours)


def valid_of(pixels: np.ndarray) -> Tuple[np.ndarray, Optional[np.ndarray]]:
    """Of pixels (height, width, 3 or 4): colours (height, width, 3), and where there is data (height, width) bool, None
    where there is everywhere.
    """
    if pixels.shape[2] == 3:
        return pixels, None
    valid = pixels[..., 3] > 0
    return np.ascontiguousarray(pixels[..., :3]), None if valid.all() else valid
