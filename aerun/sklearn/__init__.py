"""Any recipe as a scikit-learn estimator: a transformer to codes, a detector of anomalies, and an imputer.

from aerun.sklearn import AnomalyDetector, Autoencoder, Imputer

make_pipeline(StandardScaler(), Autoencoder(model="sparse", latent_dim=16), LogisticRegression())
AnomalyDetector(model="ae", latent_dim=4, alpha=0.01).fit(X).predict(X_new)
Imputer().fit_transform(X_with_gaps)

X is an array, NaN where a value is missing, or a data frame of numbers, words, dates and truth values, which needs no
ColumnTransformer.
"""

from aerun.sklearn.detector import AnomalyDetector
from aerun.sklearn.imputer import Imputer
from aerun.sklearn.transformer import Autoencoder

__all__ = ["AnomalyDetector", "Autoencoder", "Imputer"]
