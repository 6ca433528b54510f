"""Training in scikit-learn's manner."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._native import Epoch, Model, train

__all__ = ["Estimator"]


class Estimator:
    """A binary net as a classifier of scikit-learn, which need not be installed.

    The parameters are those of `bernet.train`. Images are uint8, 0 for paper and 255 for ink, of shape (n, height, width), or (n, pixels)
    where they are square. Labels are of any type that can be sorted.

    After `fit` there are `classes_` (the labels, sorted), `model_` (the `bernet.Model`) and `history_` (an `Epoch` for each epoch).

        >>> import bernet
        >>> (images, labels), (test_images, test_labels) = bernet.mnist()
        >>> net = bernet.Estimator(method="ste", epochs=1, batch=20).fit(images[:6000], labels[:6000])
        >>> bool(net.score(test_images, test_labels) > 0.5)
        True
    """

    classes_: NDArray[Any]
    model_: Model
    history_: list[Epoch]

    def __init__(
        self,
        net: str = "talk",
        *,
        method: str = "bernoulli",
        epochs: int = 30,
        seed: int = 1,
        batch: int | None = None,
        learning_rate: float | None = None,
        validation: int | None = None,
        crop: bool = False,
        settings: str | None = None,
    ) -> None:
        self.net = net
        self.method = method
        self.epochs = epochs
        self.seed = seed
        self.batch = batch
        self.learning_rate = learning_rate
        self.validation = validation
        self.crop = crop
        self.settings = settings

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        validation_data: tuple[ArrayLike, ArrayLike] | None = None,
        callback: Callable[[Epoch], object] | None = None,
    ) -> Estimator:
        """Trains a net on images and their labels.

        The net has as many classes as its description says; the labels, sorted, are the first of them.
        """
        classes, labels = np.unique(np.asarray(y), return_inverse=True)
        known = None
        if validation_data is not None:
            images, others = validation_data
            known = (_images(images), self._indices(classes, others))
        history: list[Epoch] = []

        def note(epoch: Epoch) -> None:
            history.append(epoch)
            if callback is not None:
                callback(epoch)

        model = train(
            _images(X), labels.reshape(np.shape(y)), validation_data=known, callback=note, **self.get_params()
        )
        self.classes_, self.model_, self.history_ = classes, model, history
        return self

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The label of each image."""
        return self._of_indices(self.decision_function(X).argmax(1))

    def decision_function(self, X: ArrayLike) -> NDArray[np.float64]:
        """The net's number for each image and label, (n, labels)."""
        return self._fitted().real_logits(_images(X))[:, : len(self.classes_)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """The softmax of `decision_function`. The net is not calibrated: it is surer than it is right."""
        logits = self.decision_function(X)
        weights = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(weights / weights.sum(1, keepdims=True))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of images whose label is right."""
        weights = None if sample_weight is None else np.asarray(sample_weight, np.float64)
        return float(np.average(self.predict(X) == np.asarray(y), weights=weights))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in _parameters()}

    def set_params(self, **parameters: Any) -> Estimator:
        """Sets parameters by name."""
        for name, value in parameters.items():
            if name not in _parameters():
                raise ValueError(f"parameter {name!r}: expected one of {', '.join(_parameters())}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        usual = inspect.signature(Estimator).parameters
        said = [f"{name}={value!r}" for name, value in self.get_params().items() if value != usual[name].default]
        return f"Estimator({', '.join(said)})"

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn asks an estimator."""
        utils: Any = importlib.import_module("sklearn.utils")
        return utils.Tags(
            estimator_type="classifier",
            target_tags=utils.TargetTags(required=True),
            classifier_tags=utils.ClassifierTags(),
            input_tags=utils.InputTags(two_d_array=True, three_d_array=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _fitted(self) -> Model:
        if not self.__sklearn_is_fitted__():
            raise ValueError("the estimator is not fitted: call fit before")
        return self.model_

    @staticmethod
    def _indices(classes: NDArray[Any], labels: ArrayLike) -> NDArray[np.intp]:
        labels = np.asarray(labels)
        unknown = np.setdiff1d(labels, classes)
        if len(unknown):
            raise ValueError(f"validation_data: labels: expected those of y, found {unknown[0]!r}")
        return np.searchsorted(classes, labels)

    def _of_indices(self, indices: NDArray[np.intp]) -> NDArray[Any]:
        return np.asarray(self.classes_[indices])


def _parameters() -> list[str]:
    return list(inspect.signature(Estimator).parameters)


def _images(X: ArrayLike) -> NDArray[Any]:
    """Images with lines: those of (n, pixels) are square."""
    images = np.asarray(X)
    if images.ndim == 2:
        side = round(images.shape[1] ** 0.5)
        if side * side == images.shape[1]:
            return images.reshape(-1, side, side)
    return images
