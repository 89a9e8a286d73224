"""How probable it is that a grasp holds: a logistic model fitted on simulated trials.

`make fit-ranking` fits it and writes `config/synthesis/ranking.yaml`; docs/ranking.md has what
the trials were and how true the probabilities are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.optimize import minimize
from scipy.special import expit, logit

from dexgrasp.config import load_config, resource_path
from dexgrasp.errors import GraspError
from dexgrasp.types import Array

BEYOND = 3.0  # standard deviations from the mean, where the fit saw nothing: no further effect
FILE = ("config", "synthesis", "ranking.yaml")


class Term(BaseModel):
    """A figure's mean and standard deviation in the fit, and its weight once standardised.

    Less of every figure is better, so no weight is above 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mean: float
    scale: float = Field(gt=0.0)
    weight: float = Field(le=0.0)


class Logistic(BaseModel):
    """Probability 1 / (1 + exp(-z)), z = intercept + sum of weight x (value - mean) / scale."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    intercept: float
    terms: dict[str, Term] = Field(min_length=1)

    def probability(self, features: Mapping[str, Array]) -> Array:
        """(n,) in (0, 1) of features (n,) each. Raises GraspError for NaN or unequal lengths."""
        values = checked_columns(features, tuple(self.terms))
        terms = self.terms.values()
        mean, scale, weight = (
            np.array([getattr(t, k) for t in terms]) for k in ("mean", "scale", "weight")
        )
        return expit(self.intercept + standardised(values, mean, scale) @ weight)


class FitRecord(BaseModel):
    """Where the weights come from: `benchmarks/ranking.py` at `date`, over these objects.

    grasps: tried, by model.  friction: range.  mass: range of factors.  palm_position [m],
    palm_rotation [rad]: standard deviation of the palm's error about each axis.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str
    seed: int
    method: str
    protocol: str
    hands: tuple[str, ...]
    objects: tuple[str, ...]
    grasps: dict[str, int]
    friction: tuple[float, float]
    mass: tuple[float, float]
    palm_position: float
    palm_rotation: float


class RankingModel(BaseModel):
    """The fitted models, each for its own set of figures.

    Whole meshes or shapes completed from one view, before or after the trial in physics: see
    `quality.features`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fit: FitRecord
    models: dict[str, Logistic] = Field(min_length=1)

    @classmethod
    def load(cls) -> RankingModel:
        """Read `config/synthesis/ranking.yaml`. Raises ConfigError."""
        return load_config(resource_path(*FILE), cls)

    def probability(self, features: Mapping[str, Array]) -> Array:
        """(n,) probability in (0, 1) that each grasp passes the protocol of the fit.

        features: (n,) of every figure of exactly one model. Raises GraspError for others, for
        NaN and for unequal lengths.
        """
        for model in self.models.values():
            if model.terms.keys() == features.keys():
                return model.probability(features)
        known = "; ".join(f"{name}: {', '.join(m.terms)}" for name, m in self.models.items())
        raise GraspError(
            f"no ranking model is fitted on exactly {', '.join(features) or 'nothing'}; known are "
            f"{known}. Give quality.features unchanged, or run make fit-ranking"
        )


def fit_logistic(features: Mapping[str, Array], success: Array, ridge: float) -> Logistic:
    """The weights that make outcomes (n,) bool most likely, less ridge / 2 times their squares.

    features: (n,) of each figure, of which less must be better: no weight is above 0, because
    a few objects would else teach that, say, unseen contacts are good ones.  ridge: above 0,
    in trials; the intercept is free. A figure without spread gets the weight 0. Raises
    GraspError for NaN, unequal lengths or outcomes that are all alike.
    """
    names = tuple(features)
    values, success = checked_columns(features, names), np.asarray(success, dtype=bool)
    if success.shape != (len(values),) or success.all() or not success.any():
        raise GraspError(
            f"{int(success.sum())} successes in {success.shape} outcomes of {len(values)} grasps; "
            "a fit needs one outcome of each, both successes and failures"
        )
    mean, spread = values.mean(axis=0), values.std(axis=0)
    scale = np.where(spread > 1e-9, spread, 1.0)
    design = np.column_stack([np.ones(len(values)), standardised(values, mean, scale)])
    penalty = ridge * np.r_[0.0, np.ones(len(names))]

    def loss(weight: Array) -> tuple[float, Array]:
        z = design @ weight
        value = np.logaddexp(0.0, z).sum() - z[success].sum() + 0.5 * (penalty * weight) @ weight
        return float(value), design.T @ (expit(z) - success) + penalty * weight

    start = np.r_[logit(success.mean()), np.zeros(len(names))]
    bounds = [(None, None), *[(None, 0.0)] * len(names)]
    weight = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    terms = {
        name: Term(mean=float(m), scale=float(s), weight=float(w))
        for name, m, s, w in zip(names, mean, scale, weight[1:], strict=True)
    }
    return Logistic(intercept=float(weight[0]), terms=terms)


def standardised(values: Array, mean: Array, scale: Array) -> Array:
    """Values (n, k) in standard deviations from their mean, cut at BEYOND."""
    return np.clip((values - mean) / scale, -BEYOND, BEYOND)


def checked_columns(features: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    """(n, k) the named features side by side. Raises GraspError for NaN or unequal lengths."""
    columns = {name: np.asarray(features[name], dtype=float) for name in names}
    shapes = {column.shape for column in columns.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        given = ", ".join(f"{name} {column.shape}" for name, column in columns.items())
        raise GraspError(f"the features have shapes {given}; expected (n,) each")
    for name, column in columns.items():
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise GraspError(f"feature {name} of grasp {row} is {column[row]}; it must be finite")
    return np.column_stack(list(columns.values()))
