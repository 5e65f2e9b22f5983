"""joblib on the plan: `joblib.parallel_config(backend="kubefuture")`."""
