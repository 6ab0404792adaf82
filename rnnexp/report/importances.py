"""Importances of the searched keys, for a report."""

import optuna
from optuna.trial import TrialState


def importances_of(study: optuna.Study) -> dict[str, float] | str:
    """Compute how much each searched key decides whether a trial is among the best.

    By PED-ANOVA (https://arxiv.org/abs/2304.10255), which takes milliseconds for 1,000 trials, and
    takes keys that only some trials have.

    Args:
        study: The study; only its complete trials count.

    Returns:
        Shares by key, the largest first; a reason, as half a sentence, if there are none yet.
    """
    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    values: dict[str, set[object]] = {}
    for trial in complete:
        for key, value in trial.params.items():
            values.setdefault(key, set()).add(value)
    varied = sorted(key for key, found in values.items() if len(found) > 1)
    if len({trial.value for trial in complete}) < 2:
        return "it takes two complete trials with different values"
    if len(varied) < 2:
        return "it takes two searched keys that vary among the complete trials"
    # Imported here: scikit-learn and SciPy come with it, which a sweep needs in its reports alone.
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    evaluator = PedAnovaImportanceEvaluator()
    shares = get_param_importances(study, evaluator=evaluator, params=varied)
    if len(set(shares.values())) == 1:  # Optuna's answer where no key stands out
        return "no searched key stands out among the complete trials yet"
    return shares
