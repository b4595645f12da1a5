"""slipstick: how a neural network will run on hardware that you do not have yet."""

from typing import TYPE_CHECKING

from slipstick.core.lazy import lazy_names
from slipstick.core.version import __version__ as __version__

if TYPE_CHECKING:
    import builtins

    from slipstick.compress.adapt_options import CalibrationImages as CalibrationImages
    from slipstick.compress.adapt_options import Retraining as Retraining
    from slipstick.compress.adapt_options import ShiftSchedule as ShiftSchedule
    from slipstick.core.arithmetic import Arithmetic as Arithmetic
    from slipstick.core.arithmetic import Cost as Cost
    from slipstick.core.device import Device as Device
    from slipstick.core.device import register_device as register_device
    from slipstick.core.encoding import Encoded as Encoded
    from slipstick.core.encoding import Encoding as Encoding
    from slipstick.core.encoding import Operand as Operand
    from slipstick.core.errors import SlipstickError as SlipstickError
    from slipstick.core.format import Format as Format
    from slipstick.core.plan import Plan as Plan
    from slipstick.core.question import Question as Question
    from slipstick.core.stand_in import StandIn as StandIn
    from slipstick.core.sweep import Sweep as Sweep
    from slipstick.core.system import System as System
    from slipstick.core.topology import Topology as Topology
    from slipstick.core.workload import Network as Network
    from slipstick.core.workload import Op as Op
    from slipstick.core.workload import Phase as Phase
    from slipstick.core.workload import Workload as Workload
    from slipstick.datasets.find_dataset import data_set as data_set
    from slipstick.datasets.images import DataSet as DataSet
    from slipstick.datasets.images import Images as Images
    from slipstick.engines.question import find_network as network  # noqa: F401
    from slipstick.engines.question import find_system as system  # noqa: F401
    from slipstick.engines.table import Engine as Engine
    from slipstick.engines.table import register as register_engines  # noqa: F401
    from slipstick.engines.verb_options import EmitOptions as EmitOptions
    from slipstick.engines.verb_options import EstimateOptions as EstimateOptions
    from slipstick.engines.verb_options import HybridOptions as HybridOptions
    from slipstick.engines.verb_options import PlaceOptions as PlaceOptions
    from slipstick.engines.verb_options import QuestionOptions as QuestionOptions
    from slipstick.engines.verb_options import SimulateOptions as SimulateOptions
    from slipstick.exploration.frontier import Frontier as Frontier
    from slipstick.exploration.search_options import SearchOptions as SearchOptions
    from slipstick.exploration.space import Space as Space
    from slipstick.fabric.topology_file import resolve_topology as topology  # noqa: F401
    from slipstick.formats.grammar import format_of as format_of
    from slipstick.formats.registry import ARITHMETICS as ARITHMETICS
    from slipstick.formats.registry import ENCODINGS as ENCODINGS
    from slipstick.formats.registry import FormatFamily as FormatFamily
    from slipstick.networks.decoder.decoder import Decoder as Decoder
    from slipstick.networks.graphs.operator_graph import OperatorGraph as OperatorGraph
    from slipstick.networks.importers.torch_export import from_torch as from_torch
    from slipstick.report.comparison import Comparison as Comparison
    from slipstick.report.metric import Metric as Metric
    from slipstick.report.metric import Table as Table
    from slipstick.report.published import Validation as Validation
    from slipstick.report.report import Report as Report
    from slipstick.trained.network import TrainedNetwork as TrainedNetwork
    from slipstick.trained.network import WeightLayer as WeightLayer
    from slipstick.trained.open import open_network as open_network
    from slipstick.training.recipe import Recipe as Recipe
    from slipstick.verbs.adapt import adapt as adapt
    from slipstick.verbs.calibrate import calibrate as calibrate
    from slipstick.verbs.cite import cite as cite
    from slipstick.verbs.compare import compare as compare
    from slipstick.verbs.correlate import correlate as correlate
    from slipstick.verbs.emit import emit as emit
    from slipstick.verbs.epochs import TrialCounts as TrialCounts
    from slipstick.verbs.epochs import epochs as epochs
    from slipstick.verbs.estimate import estimate as estimate
    from slipstick.verbs.hybrid import hybrid as hybrid
    from slipstick.verbs.list_ import list_
    from slipstick.verbs.mask import mask as mask
    from slipstick.verbs.measure import measure as measure
    from slipstick.verbs.ops import ops as ops
    from slipstick.verbs.place import place as place
    from slipstick.verbs.search import search as search
    from slipstick.verbs.show import show as show
    from slipstick.verbs.simulate import simulate as simulate
    from slipstick.verbs.track import track as track
    from slipstick.verbs.train import train as train
    from slipstick.verbs.validate import validate as validate

    list = list_  # `import ... as list` would not be exported

# public name -> module: imported when it is first asked for, so that `import slipstick` costs nothing
_PUBLIC = {
    # verbs
    "adapt": "verbs.adapt",
    "calibrate": "verbs.calibrate",
    "cite": "verbs.cite",
    "compare": "verbs.compare",
    "correlate": "verbs.correlate",
    "emit": "verbs.emit",
    "epochs": "verbs.epochs",
    "estimate": "verbs.estimate",
    "hybrid": "verbs.hybrid",
    "list": "verbs.list_:list_",
    "mask": "verbs.mask",
    "measure": "verbs.measure",
    "ops": "verbs.ops",
    "place": "verbs.place",
    "search": "verbs.search",
    "show": "verbs.show",
    "simulate": "verbs.simulate",
    "track": "verbs.track",
    "train": "verbs.train",
    "validate": "verbs.validate",
    # nouns
    "Arithmetic": "core.arithmetic",
    "Comparison": "report.comparison",
    "DataSet": "datasets.images",
    "Decoder": "networks.decoder.decoder",
    "Device": "core.device",
    "Encoding": "core.encoding",
    "Engine": "engines.table",
    "Format": "core.format",
    "Frontier": "exploration.frontier",
    "Images": "datasets.images",
    "Metric": "report.metric",
    "Network": "core.workload",
    "Op": "core.workload",
    "OperatorGraph": "networks.graphs.operator_graph",
    "Phase": "core.workload",
    "Plan": "core.plan",
    "Question": "core.question",
    "Recipe": "training.recipe",
    "Report": "report.report",
    "SlipstickError": "core.errors",
    "Space": "exploration.space",
    "Sweep": "core.sweep",
    "System": "core.system",
    "Table": "report.metric",
    "Topology": "core.topology",
    "TrainedNetwork": "trained.network",
    "Validation": "report.published",
    "WeightLayer": "trained.network",
    "Workload": "core.workload",
    # look-ups of nouns by name, file or text
    "data_set": "datasets.find_dataset",
    "format_of": "formats.grammar",
    "from_torch": "networks.importers.torch_export",
    "network": "engines.question:find_network",
    "open_network": "trained.open",
    "system": "engines.question:find_system",
    "topology": "fabric.topology_file:resolve_topology",
    # options of the verbs
    "CalibrationImages": "compress.adapt_options",
    "EmitOptions": "engines.verb_options",
    "EstimateOptions": "engines.verb_options",
    "HybridOptions": "engines.verb_options",
    "PlaceOptions": "engines.verb_options",
    "QuestionOptions": "engines.verb_options",
    "Retraining": "compress.adapt_options",
    "SearchOptions": "exploration.search_options",
    "ShiftSchedule": "compress.adapt_options",
    "SimulateOptions": "engines.verb_options",
    "TrialCounts": "verbs.epochs",
    # for kinds of devices, engines and formats of one's own
    "ARITHMETICS": "formats.registry",
    "Cost": "core.arithmetic",
    "Encoded": "core.encoding",
    "ENCODINGS": "formats.registry",
    "FormatFamily": "formats.registry",
    "Operand": "core.encoding",
    "register_device": "core.device",
    "register_engines": "engines.table:register",
    "StandIn": "core.stand_in",
}

__all__ = sorted(_PUBLIC.keys() - {"list"})  # not `list`: `from slipstick import *` must not hide Python's own
__getattr__ = lazy_names(__name__, _PUBLIC)


def __dir__() -> "builtins.list[str]":
    """Return the public names."""
    return sorted([*_PUBLIC, "__version__"])
