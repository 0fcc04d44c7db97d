"""The tables of a GeoPackage, from OGC 12-128r15: annex C (tables), F.3 (the spatial index and its triggers).

``layer_styles`` is QGIS's, ``gpkg_ogr_contents`` GDAL's: it counts features without looking at them.
"""
from typing import List, Sequence, Tuple

Columns = Sequence[Tuple[str, str]]  # name and SQL type of each attribute

_WGS84 = ('GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
          'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,'
          'AUTHORITY["EPSG","9122"]],AUTHORITY["EPSG","4326"]]')
CORE = (
    '''CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL, organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL,
    description TEXT)''',
    "INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined Cartesian', -1, 'NONE', -1, 'undefined', NULL)",
    "INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined geographic', 0, 'NONE', 0, 'undefined', NULL)",
    f"INSERT INTO gpkg_spatial_ref_sys VALUES ('WGS 84', 4326, 'EPSG', 4326, '{_WGS84}', NULL)",
    '''CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL,
    identifier TEXT UNIQUE, description TEXT DEFAULT '', last_change DATETIME NOT NULL
    DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
    CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id))''',
    '''CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL, column_name TEXT NOT NULL,
    geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
    CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name), CONSTRAINT uk_gc_table_name UNIQUE (table_name),
    CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
    CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id))''',
    '''CREATE TABLE gpkg_extensions (table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL,
    definition TEXT NOT NULL, scope TEXT NOT NULL,
    CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))''',
    'CREATE TABLE gpkg_ogr_contents (table_name TEXT NOT NULL PRIMARY KEY, feature_count INTEGER DEFAULT NULL)',
    '''CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
    f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT,
    styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)''',
    "INSERT INTO gpkg_contents (table_name, data_type, identifier) "
    "VALUES ('layer_styles', 'attributes', 'layer_styles')",
)
_INDEX = 'http://www.geopackage.org/spec120/#extension_rtree'


def layer(name: str, columns: Columns) -> Tuple[str, ...]:
    """Statements that make the table of a layer and its index."""
    attributes = ''.join(', "{}" {}'.format(*column) for column in columns)
    return (f'CREATE TABLE "{name}" (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom POLYGON{attributes})',
        f'CREATE VIRTUAL TABLE "rtree_{name}_geom" USING rtree(id, minx, maxx, miny, maxy)')


def entries(name: str, system: int, stamp: str) -> Tuple[Tuple[str, Tuple[object, ...]], ...]:
    """(statement, values) that enter a layer into the tables of the standard."""
    return (
        ("INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change, srs_id) "
         "VALUES (?, 'features', ?, ?, ?)", (name, name, stamp, system)),
        ("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', 'POLYGON', ?, 0, 0)", (name, system)),
        ("INSERT INTO gpkg_extensions VALUES (?, 'geom', 'gpkg_rtree_index', ?, 'write-only')", (name, _INDEX)),
        ('UPDATE gpkg_contents SET last_change=? WHERE table_name=?', (stamp, 'layer_styles')))


def triggers(name: str) -> List[str]:
    """Statements that make the triggers of a layer: those of the index, which call functions that GDAL and QGIS have,
    and those that count.
    """
    index = f'rtree_{name}_geom'
    there, gone = '(NEW."geom" NOTNULL AND NOT ST_IsEmpty(NEW."geom"))', '(NEW."geom" ISNULL OR ST_IsEmpty(NEW."geom"))'
    put = (f'INSERT OR REPLACE INTO "{index}" VALUES (NEW."fid", ST_MinX(NEW."geom"), ST_MaxX(NEW."geom"), '
           'ST_MinY(NEW."geom"), ST_MaxY(NEW."geom"));')
    drop = f'DELETE FROM "{index}" WHERE id = OLD."fid";'
    both = f'DELETE FROM "{index}" WHERE id IN (OLD."fid", NEW."fid");'
    kinds = (('insert', 'AFTER INSERT', there, put),
             ('update1', 'AFTER UPDATE OF "geom"', 'OLD."fid" = NEW."fid" AND ' + there, put),
             ('update2', 'AFTER UPDATE OF "geom"', 'OLD."fid" = NEW."fid" AND ' + gone, drop),
             ('update3', 'AFTER UPDATE', 'OLD."fid" != NEW."fid" AND ' + there, drop + ' ' + put),
             ('update4', 'AFTER UPDATE', 'OLD."fid" != NEW."fid" AND ' + gone, both),
             ('delete', 'AFTER DELETE', 'OLD."geom" NOT NULL', drop))
    made = [f'CREATE TRIGGER "{index}_{kind}" {when} ON "{name}" WHEN {test} BEGIN {what} END'
            for kind, when, test, what in kinds]
    count = ('UPDATE gpkg_ogr_contents SET feature_count = feature_count {} 1 WHERE lower(table_name) = '
             "lower('{}');")
    return made + ['CREATE TRIGGER "trigger_{}_feature_count_{}" {} ON "{}" BEGIN {} END'.format(
        kind, name, when, name, count.format(sign, name)) for kind, when, sign in (
            ('insert', 'AFTER INSERT', '+'), ('delete', 'AFTER DELETE', '-'))]
