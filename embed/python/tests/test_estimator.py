"""The estimator, with and without scikit-learn."""

import pickle

import bernet
import numpy as np
import pytest

FEW = dict(method="ste", epochs=1, batch=10)


@pytest.fixture(scope="module")
def digits():
    (images, labels), _ = bernet.mnist()
    return images[:3000], labels[:3000]


@pytest.fixture(scope="module")
def fitted(digits):
    return bernet.Estimator(**FEW).fit(*digits)


def test_it_is_the_same_training(digits, fitted):
    assert fitted.model_.to_bytes() == bernet.train(*digits, **FEW).to_bytes()
    images, labels = digits
    said = fitted.predict(images)
    assert (said == fitted.model_.predict(images)).all()
    assert fitted.score(images, labels) == (said == labels).mean() > 0.5
    assert [epoch.number for epoch in fitted.history_] == [1]
    assert (fitted.predict(images.reshape(3000, 784)) == said).all()


def test_probabilities(digits, fitted):
    images = digits[0][:100]
    probabilities = fitted.predict_proba(images)
    assert probabilities.shape == (100, 10) and np.allclose(probabilities.sum(1), 1)
    assert (probabilities.argmax(1) == fitted.decision_function(images).argmax(1)).all()


def test_labels_of_any_type(digits, fitted):
    images, labels = digits
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[labels]
    net = bernet.Estimator(**FEW).fit(images, names)
    assert net.classes_.tolist() == sorted(set(names))
    assert net.score(images, names) > 0.5 and net.predict(images[:3]).dtype == names.dtype
    assert net.score(images, names, sample_weight=np.ones(3000)) == net.score(images, names)


def test_validation_data(digits):
    images, labels = digits
    epochs = []
    net = bernet.Estimator(**FEW)
    net.fit(images[:2000], labels[:2000], validation_data=(images[2000:], labels[2000:]), callback=epochs.append)
    assert epochs == net.history_ and 0 < epochs[0].validation_accuracy <= 1
    with pytest.raises(ValueError, match="validation_data: labels: expected those of y, found"):
        net.fit(images[:2000], labels[:2000], validation_data=(images[2000:], labels[2000:] + 90))


def test_parameters(digits):
    net = bernet.Estimator(epochs=3)
    assert net.get_params()["epochs"] == 3 and repr(net) == "Estimator(epochs=3)"
    assert net.set_params(epochs=4, seed=2) is net and net.epochs == 4
    with pytest.raises(ValueError, match="parameter 'epoch': expected one of net, method"):
        net.set_params(epoch=3)
    with pytest.raises(ValueError, match="not fitted"):
        net.predict(digits[0][:1])
    assert pickle.loads(pickle.dumps(net)).get_params() == net.get_params()


def test_in_scikit_learn(digits):
    sklearn = pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    images, labels = digits
    flat = images.reshape(3000, 784)
    net = bernet.Estimator(**FEW)
    assert clone(net).get_params() == net.get_params()
    assert cross_val_score(net, flat, labels, cv=3).min() > 0.4, sklearn.__version__
    search = GridSearchCV(net, {"seed": [1, 2]}, cv=2).fit(flat, labels)
    assert search.best_score_ > 0.4 and search.best_estimator_.model_
    halves = make_pipeline(FunctionTransformer(lambda x: np.where(x > 0, 255, 0).astype(np.uint8)), net)
    assert halves.fit(flat / 255, labels).score(flat / 255, labels) > 0.4
