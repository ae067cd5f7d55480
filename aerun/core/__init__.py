"""The ground of all other packages: errors, checks, facts, paths, memory, files, logs."""
