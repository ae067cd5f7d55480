"""What every room stands on: errors, checks, facts, paths, memory, files, logs."""
