"""What codes follow: a prior is a distribution of codes, fixed or learned with the model."""
