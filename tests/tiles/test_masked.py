"""Where a raster holds no data, whatever the way in which it says so; and where rasters lie that say it by points."""
import numpy as np
import pytest

from mtp.tiles import masked, rasters

rasterio = pytest.importorskip('rasterio')
pytestmark = pytest.mark.filterwarnings('ignore')
GONE = np.zeros((20, 30), bool)
GONE[3:9, 5:20] = True


def write(path, values, **options):
    with rasterio.open(str(path), 'w', driver='GTiff', count=len(values), height=20, width=30, dtype=str(values.dtype),
                       **options) as stream:
        stream.write(values)
        return str(path)


def without_data(kind, path):
    values = np.random.default_rng(0).integers(1, 200, (3, 20, 30), dtype=np.uint8)
    if kind == 'value':
        return write(path, np.where(GONE, 0, values).astype(np.uint8), nodata=0)
    if kind == 'a value of 16 bits':
        return write(path, np.where(GONE, 65535, values * np.uint16(40)).astype(np.uint16), nodata=65535)
    if kind == 'alpha':
        return write(path, np.concatenate([values, np.where(GONE, 0, 255).astype(np.uint8)[None]]), photometric='RGB',
                     alpha='yes')
    if kind == 'not a number':
        return write(path, np.where(GONE, np.nan, values).astype(np.float32))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
            str(path), 'w', driver='GTiff', count=3, height=20, width=30, dtype='uint8') as stream:
        stream.write(values)
        stream.write_mask(~GONE)
    return str(path)


@pytest.mark.parametrize('kind', ['value', 'a value of 16 bits', 'alpha', 'not a number', 'mask'])
def test_no_data(kind, tmp_path):
    path = without_data(kind, tmp_path / 'a.tif')
    found = masked.open_masked(path)
    pixels, valid = masked.valid_of(np.concatenate([found.take(0, 8).copy(), found.take(8, 20)]))
    assert (valid == ~GONE).all()
    assert (pixels == rasters.Raster(path).take(0, 20)).all()


def test_one_band_that_is_zero_is_data(tmp_path):
    values = np.zeros((3, 20, 30), np.uint8)
    values[2] = 7
    assert masked.valid_of(masked.open_masked(write(tmp_path / 'a.tif', values, nodata=0)).take(0, 20))[1] is None


def test_a_file_that_says_nothing_has_three_channels(tmp_path):
    path = write(tmp_path / 'a.tif', np.ones((3, 20, 30), np.uint8))
    assert masked.open_masked(path).take(0, 20).shape == (20, 30, 3)


def points(function):
    from rasterio.control import GroundControlPoint
    return [GroundControlPoint(row, column, *function(column, row)) for row in (0, 10, 20) for column in (0, 15, 30)]


def test_control_points_in_a_line_with_the_grid_are_a_linear_map(tmp_path):
    def place(x, y):
        return 400000 + 0.5 * x + 0.1 * y, 4000000 + 0.1 * x - 0.5 * y
    path = write(tmp_path / 'a.tif', np.ones((1, 20, 30), np.uint8))
    with rasterio.open(path, 'r+') as stream:
        stream.gcps = points(place), rasterio.crs.CRS.from_epsg(32650)
    ground = rasters.Raster(path).ground
    assert ground.gcps is None and ground.crs.to_epsg() == 32650
    spots = np.array([[0, 0], [30, 20], [7.25, 3.5]])
    np.testing.assert_allclose(ground.place(spots), np.stack(place(*spots.T), 1), atol=1e-6)


def test_control_points_that_bend_are_followed(tmp_path):
    def place(x, y):
        return 400000 + 0.5 * x + 0.002 * x * x, 4000000 - 0.5 * y + 0.001 * x * y
    path = write(tmp_path / 'a.tif', np.ones((1, 20, 30), np.uint8))
    with rasterio.open(path, 'r+') as stream:
        stream.gcps = points(place), rasterio.crs.CRS.from_epsg(32650)
    ground = rasters.Raster(path).ground
    assert len(ground.gcps) == 9
    spots = np.array([[15.0, 10.0], [0, 20], [22, 3]])
    np.testing.assert_allclose(ground.place(spots), np.stack(place(*spots.T), 1), atol=0.005)  # 0.01 of a pixel
    assert ground.place(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize('count', [0, 2])
def test_too_few_control_points_are_no_place(tmp_path, count):
    path = write(tmp_path / 'a.tif', np.ones((1, 20, 30), np.uint8))
    if count:
        with rasterio.open(path, 'r+') as stream:
            stream.gcps = points(lambda x, y: (x, y))[:count], rasterio.crs.CRS.from_epsg(32650)
    assert rasters.Raster(path).ground is None
