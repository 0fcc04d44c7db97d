"""A picture of what QGIS shows of a GeoPackage over its raster, without a screen.

``/usr/bin/python3 ci/qgis_picture.py RASTER GPKG OUT.png``, with Debian's ``python3-qgis``. Nothing is set but the two
files: colours come from the style in the GeoPackage.
"""
import os
import sys

os.environ.setdefault('QT_QPA_PLATFORM', 'offscreen')
from qgis.core import (QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsRasterLayer,  # noqa: E402
                       QgsVectorLayer)
from qgis.PyQt.QtCore import QSize  # noqa: E402
from qgis.PyQt.QtGui import QColor  # noqa: E402

SIDE = 560


def main(raster, package, out):
    """Render and save; exit code 1 where a layer cannot be opened, or has no style."""
    app = QgsApplication([], False)
    app.initQgis()
    ground = QgsRasterLayer(raster, 'raster')
    every = QgsVectorLayer(package, 'all', 'ogr')
    names = [each.split('!!::!!')[1] for each in every.dataProvider().subLayers()]
    layers = [QgsVectorLayer(f'{package}|layername={name}', name, 'ogr') for name in names
              if name != 'layer_styles']
    styles = [layer.loadDefaultStyle() for layer in layers]
    broken = [each.source() for each in [ground] + layers if not each.isValid()]
    if broken or not all(done for _, done in styles):
        print(f'cannot be shown: {broken} {styles}')
        return 1
    settings = QgsMapSettings()
    settings.setLayers(layers + [ground])
    settings.setDestinationCrs(ground.crs())
    settings.setExtent(ground.extent())
    settings.setOutputSize(QSize(SIDE, SIDE))
    settings.setBackgroundColor(QColor('white'))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(out, 'PNG')
    for layer in layers:
        print('{}: {} features, {} classes, {}'.format(
            layer.name(), layer.featureCount(), len(layer.renderer().categories()), layer.crs().authid()))
    del job, settings, ground, every, layers, layer  # before the application: QGIS frees them with it
    app.exitQgis()
    return 0


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
