"""Run folders: what a run leaves behind, how it is read, and how runs are compared."""
