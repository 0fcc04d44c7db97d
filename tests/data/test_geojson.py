import json

import pytest

from mtp.data import geojson
from mtp.errors import MTPError

COLLECTION = {'type': 'FeatureCollection', 'crs': {'a': [1, 2.5]},
              'features': [{'type': 'Feature', 'properties': {'n': index, 'text': 'x' * 50}} for index in range(40)]}


def _read(tmp_path, data):
    path = tmp_path / 'a.geojson'
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return list(geojson.features(str(path)))


@pytest.mark.parametrize('chunk', [1, 7, 1000, 1 << 20])
@pytest.mark.parametrize('indent', [None, 2])
def test_any_window_gives_all_features(tmp_path, monkeypatch, chunk, indent):
    monkeypatch.setattr(geojson, 'CHUNK', chunk)
    found = _read(tmp_path, json.dumps(COLLECTION, indent=indent))
    assert [feature['properties']['n'] for _, feature, _ in found] == list(range(40))
    assert found[0][2]['crs'] == {'a': [1, 2.5]} and [number for number, _, _ in found] == list(range(40))


def test_an_empty_file_and_an_empty_list_have_no_features(tmp_path):
    assert _read(tmp_path, '') == [] and _read(tmp_path, ' \n') == []
    assert _read(tmp_path, '{"type": "FeatureCollection", "features": []}') == []


@pytest.mark.parametrize('data, message', [
    ('{"type": "FeatureCollection"}', 'FeatureCollection'),
    ('{"type": "Feature", "features": []}', 'FeatureCollection'),
    ('[]', 'expected'), ('{"features": [1]}', 'feature 0'), ('{"features": [{"properties": 3}]}', 'feature 0'),
    ('{"features": [{}', 'the end'), ('{"features": [{"a": NaN}]}', 'NaN'), ('{"features": {}}', 'expected'),
    ('{"a" 1}', 'expected'), ('{"features": [{"a": ]}', 'not JSON'), ('{1: 2}', 'without a name'),
    ('{"a":' + '[' * 100000, 'deep|JSON'), (b'\xff\xfe{}', 'UTF-8'), ('\n\n{"features": [{}, }', 'line 3')])
def test_what_is_no_collection_is_refused(tmp_path, data, message):
    with pytest.raises(MTPError, match='a.geojson.*' + message):
        _read(tmp_path, data)
