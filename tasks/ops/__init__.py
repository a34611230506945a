"""Administration of a Prefect server: deployments, limits, automations, events, runs."""
