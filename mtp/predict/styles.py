"""Class colours as QGIS reads them (QML): inside a GeoPackage for polygons, and beside a raster of classes."""
from typing import Mapping, Sequence
from xml.sax.saxutils import quoteattr

_HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_FILL = 90  # of 255: the picture below shines through


def polygons(colours: Mapping[str, Sequence[int]]) -> str:
    """A layer drawn by its attribute ``class``.

    Args:
        colours: class -> RGB, in order.
    """
    categories = ''.join('<category render="true" symbol="{0}" value={1} label={1}/>'.format(
        number, quoteattr(name)) for number, name in enumerate(colours))
    symbols = ''.join(_symbol(number, colour) for number, colour in enumerate(colours.values()))
    return (_HEAD + '<qgis styleCategories="Symbology" version="3.0"><renderer-v2 type="categorizedSymbol" '
            f'attr="class" enableorderby="0" forceraster="0" symbollevels="0"><categories>{categories}</categories>'
            f'<symbols>{symbols}</symbols></renderer-v2><layerGeometryType>2</layerGeometryType></qgis>')


def _symbol(number: int, colour: Sequence[int]) -> str:
    plain = '{},{},{}'.format(*colour)
    values = (('color', f'{plain},{_FILL}'), ('outline_color', plain + ',255'), ('outline_style', 'solid'),
              ('outline_width', '0.4'), ('outline_width_unit', 'MM'), ('style', 'solid'))
    return ('<symbol type="fill" name="{}" alpha="1" clip_to_extent="1"><layer class="SimpleFill" enabled="1" '
            'locked="0" pass="0">{}</layer></symbol>'.format(number, ''.join(
                '<prop k="{}" v="{}"/>'.format(*pair) for pair in values)))


def classes(colours: Mapping[str, Sequence[int]]) -> str:
    """A raster of class numbers, each with its colour and name; other numbers are not drawn."""
    entries = ''.join('<paletteEntry value="{}" color="#{:02x}{:02x}{:02x}" alpha="255" label={}/>'.format(
        number, red, green, blue, quoteattr(name)) for number, (name, (red, green, blue)) in enumerate(colours.items()))
    return (_HEAD + '<qgis styleCategories="Symbology" version="3.0"><pipe><rasterrenderer type="paletted" band="1" '
            f'opacity="1" alphaBand="-1" nodataColor=""><colorPalette>{entries}</colorPalette></rasterrenderer></pipe>'
            '<blendMode>0</blendMode></qgis>\n')
