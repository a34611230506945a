"""The topology around the flows: database, Prefect server, worker; their secrets and processes."""
