"""Demo data: generated files in the formats that datasets are published in.

`raw_files` writes them below a data folder of their own; each module of a format turns one planted
world (`world`) into files. Formats are loaded by name, when used, so that the code of a demo is no
part of what identifies real data.
"""

from benchkit.data.demo.base import DemoFormat
from benchkit.registry import Registry

DEMO_FORMATS: Registry[DemoFormat] = Registry(
    "format of demo data",
    {
        "amazon2018": "benchkit.data.demo.amazon2018:AMAZON2018",
        "amazon2023": "benchkit.data.demo.amazon2023:AMAZON2023",
        "beeradvocate": "benchkit.data.demo.beeradvocate:BEERADVOCATE",
        "lastfm": "benchkit.data.demo.lastfm:LASTFM",
        "ml-100k": "benchkit.data.demo.ml100k:ML100K",
        "movielens": "benchkit.data.demo.movielens:MOVIELENS",
        "steam": "benchkit.data.demo.steam:STEAM",
        "toy": "benchkit.data.demo.toy:TOY",
    },
    "benchkit.demo_formats",
    base=DemoFormat,
    hint="define a benchkit.data.demo.base.DemoFormat",
)
