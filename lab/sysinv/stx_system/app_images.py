# SPDX-License-Identifier: Apache-2.0
"""The images of an application's charts, and the registry they come from."""

import os
import sys

import yaml

from stx_system.errors import Failed
from stx_system import images
from stx_system import manifests


def of_chart(app_op, app, chart):
    """(images of chart and static values, images of all values).

    Later sources win: the chart's values, static overrides, system and
    user overrides.
    """
    release = app_op._release
    own = next((path for path in (
        os.path.join(app.inst_charts_dir, name, 'values.yaml')
        for name in (chart.name, chart.chart)) if os.path.exists(path)),
        None)
    overrides = app_op._helm.overrides_file(
        app.sync_overrides_dir, chart.name, chart.namespace)
    shipped = images.merge(
        images.find(manifests.read_one(own), release) if own else {},
        images.find(manifests.read_one(_static(app_op, chart)), release))
    # Up to 9.0 images in overrides are never looked at.
    if not release.since(10) or not os.path.exists(overrides):
        return shipped, shipped
    return shipped, images.merge(
        shipped, images.find(manifests.read_one(overrides), release))


def _static(app_op, chart):
    return (manifests.static_original(chart)
            if app_op._release.since(11) else chart.static)


def save_list(app_op, app):
    """Write the list of images; an application without one is refused."""
    wanted = sorted({images.local(ref) for chart in app.charts
                     for ref in images.references(
                         of_chart(app_op, app, chart)[1])})
    if not wanted:
        raise Failed('charts specify no docker images.')
    with open(app.sync_imgfile, 'w') as stored:
        yaml.safe_dump({'download_images': wanted}, stored)
    return wanted


def download(app_op, app):
    """Have every image in the registry, and charts name it there.

    The names are written back into the static overrides alone: an image
    in system or user overrides keeps the name it was given.
    """
    wanted = save_list(app_op, app)
    if app_op.registry:
        app_op.registry.require(wanted)
    else:
        print('images are not looked for: no registry is known.',
              file=sys.stderr)
    for chart in app.charts:
        shipped, _ = of_chart(app_op, app, chart)
        values = manifests.read_one(_static(app_op, chart))
        manifests.write_yaml(chart.static, images.merge(
            values, images.with_local_registry(shipped)))
