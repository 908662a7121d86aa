"""The figures of a keep for Prometheus, made of what the verbs say."""
