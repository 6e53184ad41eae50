# The public names and the modules that they come from: the one list, which `__init__.py` reads when palate is imported.
from . import datasets as datasets
from . import errors as errors
from . import solvers as solvers
from . import workflow as workflow
from .attributes import Attributes as Attributes
from .catalogue import Catalogue as Catalogue
from .check import check_table as check_table
from .client import Client as Client
from .errors import PalateError as PalateError
from .errors import PalateWarning as PalateWarning
from .evaluation import compare as compare
from .evaluation import cross_validate as cross_validate
from .evaluation import evaluate as evaluate
from .model import Model as Model
from .ratings import Ratings as Ratings
from .ratings import RatingScale as RatingScale
from .ratings import Vocabulary as Vocabulary
from .reading import read_attributes as read_attributes
from .reading import read_catalogue as read_catalogue
from .reading import read_ratings as read_ratings
from .reading import read_table as read_table
from .solvers import ALS as ALS
from .solvers import BASELINES as BASELINES
from .solvers import EASE as EASE
from .solvers import SGD as SGD
from .solvers import SOLVERS as SOLVERS
from .solvers import BayesianMF as BayesianMF
from .solvers import ImplicitALS as ImplicitALS
from .splits import Split as Split
from .splits import holdout as holdout
from .splits import k_fold as k_fold
from .storage import load as load
from .storage import save as save
from .workflow import fit as fit

__version__: str
__all__: list[str]
