"""Groups of settings of front ends: frozen dataclasses, which YAML writes as a mapping under the setting's name."""

from sparsefront.frontends.settings.background_filter import BackgroundFilter
from sparsefront.frontends.settings.d3_learning import D3Learning
from sparsefront.frontends.settings.ddl_learning import DDLLearning
from sparsefront.frontends.settings.object_region import ObjectRegion
from sparsefront.frontends.settings.region_sparse_codes import RegionSparseCodes
from sparsefront.frontends.settings.region_sparse_learning import RegionSparseLearning
from sparsefront.frontends.settings.top_t_learning import TopTLearning
from sparsefront.frontends.settings.top_t_quantizer import TopTQuantizer

__all__ = [
    "BackgroundFilter",
    "D3Learning",
    "DDLLearning",
    "ObjectRegion",
    "RegionSparseCodes",
    "RegionSparseLearning",
    "TopTLearning",
    "TopTQuantizer",
]
