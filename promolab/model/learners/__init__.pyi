from ._base import KINDS as KINDS
from ._base import Learner as Learner
from ._base import Training as Training
from ._base import fitted_learners as fitted_learners
from ._base import learner_class as learner_class
from ._base import log_odds as log_odds
from ._base import make_learner as make_learner
from .linear import Logistic as Logistic
from .neural import Mlp as Mlp
from .trees import Tree as Tree
from .trees import from_bytes as from_bytes
from .trees import node_tables_fit as node_tables_fit
from .trees import to_bytes as to_bytes

__all__: list[str] = []
