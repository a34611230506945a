# The worker: flows and tasks run from /app, beside the installed package.
FROM python:3.11-slim-bookworm
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 PYTHONPATH=/app ELENCO_HOME=/app
WORKDIR /app
COPY requirements/run.txt requirements/run.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY elenco elenco
RUN pip install --no-cache-dir --no-deps --no-build-isolation --no-index .
COPY config config
COPY flows flows
COPY tasks tasks
COPY prefect.yaml ./
RUN useradd --create-home --uid 10001 elenco && mkdir data models && chown elenco data models
USER elenco
