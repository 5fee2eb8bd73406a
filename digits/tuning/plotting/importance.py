"""How much each parameter matters, by Optuna's PED-ANOVA.

Watanabe, Bansal and Hutter 2023, PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces.
It asks by how much the values of the best trials are distributed otherwise than those of all trials. Unlike fANOVA
it knows parameters that only some trials have, and it takes no forest of scikit-learn's.
"""

from __future__ import annotations

import math
import warnings

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from digits.config.files import shown

BEST_TRIALS = 5
"""Trials at least that count as the best: Optuna's advice to those who use this evaluator."""

BEST_SHARE = 0.1
"""Of all complete trials, where that is more: Optuna's default."""

LEAST = 2 * BEST_TRIALS
"""Complete trials without which the best five are no choice."""

TOO_FEW = f"Too few complete trials to tell what matters: it takes {LEAST}."


def importances(study: optuna.Study) -> list[dict[str, float] | None]:
    """For each objective the parameters' shares, in all 1, the largest first.

    Empty where none stands out, None where the trials are too few to tell.
    """
    return [_shares(study, i) for i in range(len(study.directions))]


def _shares(study: optuna.Study, objective: int) -> dict[str, float] | None:
    sign = -1.0 if study.directions[objective] == StudyDirection.MAXIMIZE else 1.0

    def cost(trial: FrozenTrial) -> float:
        return sign * float(trial.values[objective])

    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    complete = [trial for trial in complete if math.isfinite(cost(trial))]
    if len(complete) < LEAST:
        return None
    evaluator = PedAnovaImportanceEvaluator(target_quantile=max(BEST_SHARE, BEST_TRIALS / len(complete)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it wants costs, which it gets, and that a parameter was seldom there
        found = get_param_importances(study, evaluator=evaluator, target=cost, normalize=False)
    total = sum(found.values())
    if not total > 0:
        return {}
    shares = {shown(name): value / total for name, value in found.items() if math.isfinite(value)}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
