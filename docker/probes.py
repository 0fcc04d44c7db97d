"""One real call of each package with compiled parts: the package, what is called, the answer that is known.

An import shows that a library is there, a call that the libraries it needs work together. :mod:`selfcheck` runs these.
"""
import io
import math
import os
import tempfile


def numpy_solves():
    """``x`` of ``[[2, 1], [1, 3]] x = [3, 5]``, by LAPACK."""
    import numpy
    return [round(value, 9) for value in numpy.linalg.solve([[2., 1.], [1., 3.]], [3., 5.]).tolist()]


def cv2_codes():
    """Shape and sum of a PNG and a JPEG written and read again, and the area of a turned rectangle."""
    import cv2
    import numpy
    image = numpy.full((8, 12, 3), 200, numpy.uint8)
    read = [cv2.imdecode(cv2.imencode(suffix, image)[1], cv2.IMREAD_COLOR) for suffix in ('.png', '.jpg')]
    box = cv2.minAreaRect(numpy.array([[0, 0], [4, 0], [4, 2], [0, 2]], numpy.float32))
    return [each.shape for each in read], int(read[0].sum()), round(box[1][0] * box[1][1], 3)


def torch_differentiates():
    """Gradient of the sum of a 3 x 3 convolution of ones in its weight, and a Fourier transform of ones."""
    import torch
    weight = torch.ones(1, 1, 3, 3, requires_grad=True)
    torch.nn.functional.conv2d(torch.ones(1, 1, 5, 5), weight).sum().backward()
    return weight.grad.sum().item(), torch.fft.fft(torch.ones(4096)).abs().sum().item()


def torchvision_suppresses():
    """What plain NMS keeps of three boxes, and the shape of a PNG that torchvision wrote and read."""
    import torch
    from torchvision.io import decode_png, encode_png
    from torchvision.ops import nms
    boxes = torch.tensor([[0., 0., 10., 10.], [1., 1., 10., 10.], [20., 20., 30., 30.]])
    kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist()
    return kept, list(decode_png(encode_png(torch.zeros(3, 4, 6, dtype=torch.uint8))).shape)


def pillow_codes():
    """Size and mode of an image after PNG, JPEG and TIFF."""
    from PIL import Image
    found = []
    for kind in ('PNG', 'JPEG', 'TIFF'):
        stream = io.BytesIO()
        Image.new('RGB', (6, 4), (10, 20, 30)).save(stream, kind)
        with Image.open(stream) as image:
            image.load()
            found.append((image.size, image.mode))
    return found


def pycocotools_masks():
    """Area of a mask of 3 x 2 pixels, and its IoU with itself."""
    import numpy
    from pycocotools import mask
    pixels = numpy.zeros((5, 5), numpy.uint8, order='F')
    pixels[1:4, 1:3] = 1
    coded = mask.encode(pixels)
    return int(mask.area(coded)), float(mask.iou([coded], [coded], [0])[0, 0])


def shapely_intersects():
    """Area that two squares of 2 x 2, moved by (1, 1), share."""
    from shapely.geometry import box
    return box(0, 0, 2, 2).intersection(box(1, 1, 3, 3)).area


def scipy_labels():
    """Number of connected parts, and length of the shortest assignment."""
    import numpy
    from scipy.ndimage import label
    from scipy.optimize import linear_sum_assignment
    cost = numpy.array([[4., 1.], [2., 3.]])
    return int(label(numpy.array([[1, 0, 1], [1, 0, 0]]))[1]), float(cost[linear_sum_assignment(cost)].sum())


def matplotlib_draws():
    """First bytes of a drawn PNG with text in it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    figure, stream = Figure(figsize=(1, 1)), io.BytesIO()
    FigureCanvasAgg(figure)
    figure.add_subplot().set_title('mAP')
    figure.savefig(stream, format='png')
    return stream.getvalue()[:8]


def safetensors_keeps():
    """A tensor after a file."""
    import torch
    from safetensors.torch import load, save
    return load(save({'a': torch.arange(3.)}))['a'].tolist()


def rasterio_writes():
    """Driver, system of coordinates and sum of a GeoTIFF written to memory and read again."""
    import numpy
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin
    shape = dict(driver='GTiff', width=4, height=3, count=1, dtype='uint8')
    with MemoryFile() as memory:
        with memory.open(crs='EPSG:32633', transform=from_origin(500000, 5000000, 10, 10), **shape) as raster:
            raster.write(numpy.full((1, 3, 4), 7, numpy.uint8))
        with memory.open() as raster:
            return raster.driver, raster.crs.to_epsg(), int(raster.read().sum())


def tensorboard_logs():
    """How many events a log holds to which one number was written: its header and the number."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from torch.utils.tensorboard import SummaryWriter
    with tempfile.TemporaryDirectory() as folder:
        with SummaryWriter(folder) as writer:
            writer.add_scalar('loss', 1., 0)
        return sum(1 for _ in EventFileLoader(os.path.join(folder, os.listdir(folder)[0])).Load())


def protobuf_packs():
    """A message after its bytes."""
    from google.protobuf.struct_pb2 import Value
    return Value.FromString(Value(string_value='a').SerializeToString()).string_value


def yapf_formats():
    """A config as the toolboxes print it."""
    from yapf.yapflib.yapf_api import FormatCode
    return FormatCode('a = dict( b=1 )')[0]


def nms_answer(device='cpu'):
    """What ``nms_rotated`` keeps of three boxes at thresholds around their IoU: ``{threshold: [index, ...]}``.

    Boxes of 4 x 2 on one centre, turned by 90 degrees, meet in 2 x 2: IoU 4 / 12. The third lies elsewhere.
    """
    import torch
    from mmcv.ops import nms_rotated
    boxes = torch.tensor([[10., 10., 4., 2., 0.], [10., 10., 4., 2., math.pi / 2], [30., 10., 4., 2., 0.3]],
                         device=device)
    scores = torch.tensor([0.9, 0.8, 0.7], device=device)
    return {threshold: sorted(nms_rotated(boxes, scores, threshold)[1].tolist()) for threshold in (0.32, 0.35)}


def roi_answer(device='cpu'):
    """``RoIAlignRotated`` of the map ``x + 10 y``, for a box of 4 x 2 around pixel centre (8, 8), at 0 and 90 degrees.

    Bilinear samples of a linear map are exact: the mean of a cell is the map at the cell's centre. Returns two 1 x 2
    grids as lists: cells along the box's width.
    """
    import torch
    from mmcv.ops import RoIAlignRotated
    y, x = torch.meshgrid(torch.arange(16.), torch.arange(16.), indexing='ij')
    layer = RoIAlignRotated((1, 2), spatial_scale=1.0, sampling_ratio=2, aligned=True, clockwise=True)
    rois = torch.tensor([[0, 8.5, 8.5, 4., 2., 0.], [0, 8.5, 8.5, 4., 2., math.pi / 2]], device=device)
    grids = layer((x + 10 * y)[None, None].to(device), rois)
    return [[round(value, 3) for value in grid.flatten().tolist()] for grid in grids]


NMS, ROI = {0.32: [0, 2], 0.35: [0, 1, 2]}, [[87.0, 89.0], [78.0, 98.0]]
# (package, what is called, its answer); None stands for the package that the ledger compiles.
CALLS = (
    ('numpy', numpy_solves, [0.8, 1.4]),
    ('opencv-python', cv2_codes, ([(8, 12, 3), (8, 12, 3)], 57600, 8.0)),
    ('torch', torch_differentiates, (81.0, 4096.0)),
    ('torchvision', torchvision_suppresses, ([0, 2], [3, 4, 6])),
    ('pillow', pillow_codes, [((6, 4), 'RGB')] * 3),
    ('pycocotools', pycocotools_masks, (6, 1.0)),
    ('shapely', shapely_intersects, 1.0),
    ('scipy', scipy_labels, (2, 3.0)),
    ('matplotlib', matplotlib_draws, b'\x89PNG\r\n\x1a\n'),
    ('safetensors', safetensors_keeps, [0.0, 1.0, 2.0]),
    ('rasterio', rasterio_writes, ('GTiff', 32633, 84)),
    ('tensorboard', tensorboard_logs, 2),
    ('protobuf', protobuf_packs, 'a'),
    ('yapf', yapf_formats, 'a = dict(b=1)\n'),
)
OPERATORS = (
    ('nms_rotated', nms_answer, NMS),
    # Cells one pixel left and right of (8, 8); turned clockwise by 90 degrees, one above and below it.
    ('RoIAlignRotated', roi_answer, ROI),
)


def card_differentiates():
    """:func:`torch_differentiates`'s gradient, on the card."""
    import torch
    weight = torch.ones(1, 1, 3, 3, device='cuda', requires_grad=True)
    torch.nn.functional.conv2d(torch.ones(1, 1, 5, 5, device='cuda'), weight).sum().backward()
    return weight.grad.sum().item()


# The same on a card, where torch sees one.
ON_CARD = (
    ('torch on the card', card_differentiates, 81.0),
    ('nms_rotated on the card', lambda: nms_answer('cuda'), NMS),
    ('RoIAlignRotated on the card', lambda: roi_answer('cuda'), ROI),
)
