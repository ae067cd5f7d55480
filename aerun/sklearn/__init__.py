"""Any recipe as a scikit-learn estimator: a transformer to codes, and a detector of anomalies.

from aerun.sklearn import AnomalyDetector, Autoencoder

make_pipeline(StandardScaler(), Autoencoder(model="sparse", latent_dim=16), LogisticRegression())
AnomalyDetector(model="ae", latent_dim=4, alpha=0.01).fit(X).predict(X_new)

X is an array, NaN where a value is missing, or a data frame of numbers, words, dates and truth values, which needs no
ColumnTransformer.
"""

from aerun.sklearn.detector import AnomalyDetector
from aerun.sklearn.transformer import Autoencoder

__all__ = ["AnomalyDetector", "Autoencoder"]
