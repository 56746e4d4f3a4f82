"""The support vector machines of the peers that are a descriptor."""

from typing import Literal


def support_vectors(
    kernel: Literal["linear", "rbf"], c: float, gamma: float | str = "scale", standardise: bool = False
):
    """An estimator of scikit-learn: a one-against-one SVM without class weights.

    gamma: of kernel rbf; "scale" is 1 / (features x their variance). standardise: every feature less its mean, divided
    by its standard deviation, both of the sequences that it is fitted to.
    Between classes of equally many votes, the decision values decide, so that it predicts the class of the largest.
    """
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    machine = SVC(kernel=kernel, C=c, gamma=gamma, break_ties=True)
    return make_pipeline(StandardScaler(), machine) if standardise else machine
