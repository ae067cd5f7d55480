"""Files: one reader and one writer for data sets and verbs."""
