"""The options of aerun, as YAML; a package, so that Hydra finds them as pkg://aerun.configs."""
