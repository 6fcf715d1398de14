from .values import PolicyComparison as PolicyComparison
from .values import PolicyValue as PolicyValue
from .values import compare_policies as compare_policies
from .values import policy_value as policy_value

__all__: list[str] = []
