"""Which experiment tells of effects, and what promotions that start are predicted to add by it.

It is a file's, the shop's own decisions, or a past promotion: of those that are over the rule of
the read-out decides which may be compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from promolab.campaign.past.contacted import FEWEST, contacted_experiment, known_at, promotions_over
from promolab.campaign.readout.similar_customers import comparable_promotion
from promolab.contract import Experiment
from promolab.effects import Check, Difference, Withheld, spoken
from promolab.errors import InputError, PromolabError
from promolab.language import ENGLISH, speaking
from promolab.results import Result, words_of
from promolab.wording import arm_words

if TYPE_CHECKING:
    from promolab.contract import Shop
    from promolab.effects import UpliftModel
    from promolab.folder import RunFolder
    from promolab.weeks import Week


DECISIONS = "decisions"
OBSERVED = "contacted"
FILE = "file"
MONEY = ("margin", "sales")


@dataclass(frozen=True)
class ExperimentChoice(Result):
    """Which experiment the page is about.

    Parameters
    ----------
    experiment : Experiment or None
    source : str
        ``decisions`` (the shop's own, drawn by chance), ``contacted`` (of a past promotion, against
        others), ``file``, or empty where there is none.
    why : str
        Which one it is and why, or what is missing, in sentences.
    similar : Difference or None
        Of a past promotion what the rule for promotions that ended says: where that does not
        identify the effect, neither does the page.
    currency : str
        Of the shop's money.
    horizon_days : int
        Days after a window in which purchases count.
    reasons : mapping
        Of a past promotion, or where there is none, why: its ``case``, and what the case names.
    """

    experiment: Experiment | None = field(repr=False)
    source: str
    why: str
    similar: Difference | None = field(default=None, repr=False)
    currency: str = ""
    horizon_days: int = 28
    reasons: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def checks(self) -> tuple[Check, ...]:
        """The rule of the read-out, so that no two pages differ in what they call an effect."""
        if self.similar is None:
            return ()
        rule, why = "by the rule for promotions that ended", self.similar.why
        if self.similar.identified:
            return (Check("similar customers", "passed", f"Identified {rule} as well: {why}."),)
        return (Check("similar customers", "refused", f"Not identified {rule}: {why}."),)

    def summary(self) -> str:
        """Say which experiment it is and why, or what is missing."""
        return super().summary() if self.reasons else self.why

    def to_frame(self) -> pd.DataFrame:
        """Return one row per arm: its size, and what followed on average."""
        return pd.DataFrame() if self.experiment is None else self.experiment.describe()

    def facts(self) -> dict[str, Any]:
        """Return what is measured, in which unit, and of which decisions."""
        trial, own = self.experiment, self.source != FILE
        outcome = "" if trial is None else trial.outcomes[0]
        return {
            **self.reasons,
            "control": "" if trial is None else arm_words(trial.control),
            "outcome": spoken(outcome),
            "money": self.currency if own and outcome in MONEY else "",
            "own": own,
            "observed": self.source == OBSERVED,
            "drawn": 0 if trial is None else trial.n,
            "described": self._described,
        }

    def _described(self) -> pd.DataFrame:
        rows, outcomes = self.to_frame(), self.experiment.outcomes if self.experiment else ()
        shown = rows[["arm", "n", "customers", "share", *outcomes[:4]]]
        return shown.assign(arm=rows["arm"].map(spoken))

    def starting(self, shop: Shop, week: Week) -> pd.DataFrame:
        """Return promotion_id and kind of what starts in a week and is of an arm."""
        arms = () if self.experiment is None else self.experiment.treatments
        if self.source != DECISIONS or not shop.has("promotions"):
            return pd.DataFrame(columns=["promotion_id", "kind"])
        rows: pd.DataFrame = shop.promotions.select("promotion_id", "kind", "starts_at").execute()
        mine = rows["starts_at"].between(
            week.start(shop.zone), week.end(shop.zone), inclusive="left"
        )
        rows = rows[mine & rows["kind"].isin(list(arms))].drop(columns="starts_at")
        return rows.sort_values("promotion_id", ignore_index=True)

    def week_effects(self, model: UpliftModel, shop: Shop, run: RunFolder) -> WeekEffects:
        """Predict what starts in a run's week for every customer with history (`week_effects`)."""
        return week_effects(model, shop, run.as_of, self.starting(shop, run.week))

    def allows(self, model: UpliftModel) -> str:
        """Say for the first page what the shop's own decisions tell; empty where they do not."""
        if self.source != DECISIONS or self.experiment is None or model.why_ is not None:
            return ""
        if model.identification_.name != "randomised":
            return ""
        return f"{self.say('randomised')} {model.targeting().plainly()}"

    def figures(self, model: UpliftModel) -> dict[str, Any]:
        """Return what ``metrics.json`` keeps of the experiment and of what a model found."""
        said = " ".join(filter(None, [model.summary(), self.why]))
        told = {"source": self.source, "summary": said, "allows": self.allows(model)}
        method = "/".join(filter(None, [model.kind, str(model.learner or "")]))
        told |= {"method": method}
        return told | {"horizon_days": self.horizon_days} | model.to_dict()


def choose_experiment(
    shop: Shop,
    as_of: Any,
    experiment: str = "",
    file: Mapping[str, Any] | None = None,
    *,
    horizon_days: int = 28,
) -> ExperimentChoice:
    """Take the experiment asked for, else the shop's own decisions, else a promotion that is over.

    Parameters
    ----------
    shop : Shop
    as_of : datetime
        Nothing of the shop at or after it is read.
    experiment : str
        A csv, Excel or parquet file of decisions, ``hillstrom``, or empty.
    file : mapping of str to object, optional
        Of a file, as text: arm (a column, and after ``=`` its control where that is not known by
        its name), outcomes, customer, propensity, covariates; lists between commas, propensity as
        `promolab.load_experiment` takes it, a mapping as ``mail=0.3, call=0.2``. A number, a list
        of columns or a mapping of arms does as well.
    horizon_days : int
        Days after a window in which outcomes count.

    Raises
    ------
    InputError
        The file or its columns cannot be used, or columns are named without a file.
    """
    stated = {name: text for name, value in (file or {}).items() if (text := _text(value))}
    if experiment:
        return _from_file(experiment, stated)
    check_no_columns(stated)
    unusable = ""
    if shop.has("decisions"):
        try:
            return _from_decisions(shop, as_of, horizon_days)
        except PromolabError as error:
            unusable = str(error)
    if lacking := [name for name in ("promotions", "exposures") if not shop.has(name)]:
        case = "unusable" if unusable else "lacks"
        return _because(case, unusable, shop=shop.settings.name, lacking=lacking)
    over = promotions_over(shop, as_of, horizon_days=horizon_days)
    if over.empty:
        return _because("none_over", unusable, days=horizon_days)
    try:
        found = comparable_promotion(shop, over)
        trial = None if found is None else contacted_experiment(shop, found[0], horizon_days)
    except PromolabError as error:
        return _because("failed", unusable, error=str(error))
    if found is None or trial is None:
        row = over.iloc[0]
        named = shop.promotion_name(row["kind"], row["promotion_id"])
        sizes = {name: int(row[name]) for name in ("contacted", "others")}
        return _because("few", unusable, called=named, fewest=FEWEST, **sizes)
    row, difference, tried = found
    first, end = (
        pd.Timestamp(moment, tz="UTC").tz_convert(shop.zone)
        for moment in (row.starts_at, row.ends_at)
    )
    which = "after" if tried else "first"
    said = _because(
        "compared",
        unusable,
        shop=shop.settings.name,
        called=trial.name,
        first=first,
        last=end - pd.Timedelta(seconds=1),
        contacted=row.contacted,
        others=row.others,
        over=len(over),
        which=which if difference.identified else "none",
        left=[
            {"title": shop.promotion_name(r.kind, r.promotion_id), "why": d.why} for r, d in tried
        ],
        unpriced=len(trial.notes) > 1,
    )
    own: dict[str, Any] = {"currency": shop.settings.currency, "horizon_days": horizon_days}
    return replace(said, experiment=trial, source=OBSERVED, similar=difference, **own)


def _because(case: str, unusable: str, **facts: Any) -> ExperimentChoice:
    """Return why there is none, or which: in English, as files have it, and as facts."""
    undrawn = case == "compared" and not unusable
    facts |= {"case": case, "unusable": unusable, "undrawn": undrawn}
    with speaking(ENGLISH):
        why = words_of(__name__, "ExperimentChoice", **facts).summary()
    return ExperimentChoice(None, "", why, reasons=facts)


def check_no_columns(stated: Mapping[str, Any]) -> None:
    """Refuse columns that are named where there is no file to have them.

    Parameters
    ----------
    stated : mapping of str to object
        What is stated of a file; empty texts state nothing.

    Raises
    ------
    InputError
        Something is stated.
    """
    for name, text in stated.items():
        if _text(text):
            raise InputError(f"{name} is for an experiment file; give it with -p experiment=FILE")


def _from_file(experiment: str, stated: Mapping[str, str]) -> ExperimentChoice:
    from promolab import load_experiment

    arm, _, control = stated.get("arm", "").partition("=")
    trial = load_experiment(
        experiment,
        arm=arm.strip() or None,
        outcomes=_listed(stated.get("outcomes", "")),
        control=control.strip() or None,
        propensity=_chances(stated.get("propensity", "")),
        covariates=_listed(stated["covariates"]) if "covariates" in stated else None,
        customer_id=stated.get("customer"),
    )
    beside = words_of(__name__, "ExperimentChoice").say("beside")
    return ExperimentChoice(trial, FILE, " ".join([trial.summary(), *trial.notes, beside]))


def _from_decisions(shop: Shop, as_of: Any, horizon_days: int) -> ExperimentChoice:
    from promolab.features import decisions_experiment

    trial = decisions_experiment(
        shop, by="kind", as_of=as_of, horizon_days=horizon_days, early=True
    )
    rounds = trial.frame[trial.block].nunique() if trial.block else 1
    made = {"decisions": trial.n, "rounds": rounds, "customers": trial.customers}
    why = " ".join([words_of(__name__, "ExperimentChoice", **made).say("decided"), *trial.notes])
    currency = shop.settings.currency
    return ExperimentChoice(trial, DECISIONS, why, currency=currency, horizon_days=horizon_days)


def _text(value: Any) -> str:
    """Return what a notebook's parameter says as a text, empty where it says nothing."""
    if isinstance(value, Mapping):
        return ", ".join(f"{arm}={chance}" for arm, chance in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).strip()


def _listed(text: str) -> list[str]:
    """Read names between commas; also as Python lists them, which is how a refusal writes them."""
    as_list = text.startswith("[") and text.endswith("]")
    parts = (text[1:-1] if as_list else text).split(",")
    return [name for part in parts if (name := part.strip(" '\"" if as_list else " "))]


def _chances(text: str) -> Any:
    """Read a number, a column, ``constant``, or ``arm=number or column, …``."""
    if not text:
        return None
    if "=" not in text:
        return _number(text)
    parts = [part.partition("=") for part in _listed(text)]
    for name, equals, value in parts:
        if not (equals and name.strip() and value.strip()):
            raise InputError(f"propensity = {text!r} is not understood; write arm=chance, arm=…")
    return {name.strip(): _number(value.strip()) for name, _, value in parts}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


WEEK, PAST = "what starts this week", "past decisions, out of fold"
EFFECT_COLUMNS = (
    *("arm", "promotion_id", "customer_id", "decision"),
    *("effect", "ci_low", "ci_high", "basis"),
)


@dataclass(frozen=True)
class WeekEffects(Result):
    """The effect per customer and arm: of what starts this week, or of past decisions.

    Parameters
    ----------
    frame : DataFrame
        arm, promotion_id (text; empty for past decisions), customer_id, decision (place in the
        experiment, −1 for what starts), effect, ci_low, ci_high (nan where the kind of model has
        none), basis.
    why : str
        What they may be used for, or why there is none.
    outcome : str
        What the effects are on; empty where there is none.
    names : mapping of str to str
        What readers call each promotion.
    """

    frame: pd.DataFrame
    why: str
    outcome: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.outcome)

    def facts(self) -> dict[str, Any]:
        """Return the promotions that start, and how far their effects differ."""
        return {"starts": self.frame["promotion_id"].ne("").any(), "promotions": self._promotions}

    def _promotions(self) -> pd.DataFrame:
        starts = self.frame[self.frame["promotion_id"] != ""]
        groups = starts.assign(above=starts["ci_low"] > 0).groupby(["promotion_id", "arm"])
        told = groups.agg(
            customers=("effect", "size"), mean=("effect", "mean"), above=("above", "mean")
        ).reset_index()
        told["low"], told["high"] = (groups["effect"].quantile(q).to_numpy() for q in (0.1, 0.9))
        named = told["promotion_id"].map(self.names)
        return told.assign(named=named, arm=told["arm"].map(spoken), spread="")


def week_effects(
    model: UpliftModel, shop: Shop, as_of: Any, promotions: pd.DataFrame
) -> WeekEffects:
    """Predict what starts this week for every customer with history.

    Parameters
    ----------
    model : UpliftModel
        One that a check refuses has no row.
    shop : Shop
    as_of : datetime
        When what starts is decided.
    promotions : DataFrame
        promotion_id and kind, as `ExperimentChoice.starting`; without any, the past decisions'
        effects, each by a model of other customers.
    """
    if isinstance(found := model.targeting(), Withheld):
        return WeekEffects(pd.DataFrame(columns=list(EFFECT_COLUMNS)), found.summary())
    if promotions.empty:
        differ = model.calibrated_.told_apart
        why = words_of(__name__, "WeekEffects", differ=differ).say("past_only")
        return WeekEffects(_past(model), why, model.outcome_)
    known = known_at(shop, as_of)
    effect = model.effect(known.reindex(columns=list(model.experiment_.covariates)))
    frames = [
        _rows(
            row.kind, str(row.promotion_id), known["customer_id"], -1,
            {name: effect[(row.kind, name)].to_numpy() for name in EFFECT_COLUMNS[4:7]}, WEEK,
        )
        for row in promotions.itertuples()
    ]  # fmt: skip
    use = words_of(__name__, "WeekEffects", ordered=bool(found.found)).say("use")
    rows = promotions[["kind", "promotion_id"]].to_numpy().tolist()
    names = {str(one): shop.promotion_name(kind, one) for kind, one in rows}
    return WeekEffects(pd.concat(frames, ignore_index=True), use, found.outcome, names)


def _past(model: UpliftModel) -> pd.DataFrame:
    trial, effects = model.experiment_, model.effects_
    who, decision = trial.frame[trial.customer_id], np.arange(trial.n)
    frames = []
    for place, arm in enumerate(model.treatments_):
        values = {"effect": effects.iloc[:, place].to_numpy(), "ci_low": np.nan, "ci_high": np.nan}
        frames.append(_rows(arm, "", who, decision, values, PAST))
    return pd.concat(frames, ignore_index=True)


def _rows(
    arm: Any, promotion: str, who: pd.Series[Any], decision: Any, values: dict[str, Any], basis: str
) -> pd.DataFrame:
    keys = {"arm": str(arm), "promotion_id": promotion, "customer_id": who, "decision": decision}
    return pd.DataFrame({**keys, **values, "basis": basis})[list(EFFECT_COLUMNS)]
