# One image for the Prefect server, the set-up and the worker; `--target gpu` is the worker's with
# NVIDIA's libraries, which want a driver of CUDA 12.5 or newer on the host and nothing else.
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS builder
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/elenco
COPY requirements/run.txt requirements/run.txt
RUN python -m pip --python /opt/elenco/bin/python install --no-deps --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY elenco elenco
RUN python -m pip --python /opt/elenco/bin/python install --no-deps --no-build-isolation --no-index .

FROM builder AS builder-gpu
COPY requirements/gpu.txt requirements/gpu.txt
RUN python -m pip --python /opt/elenco/bin/python install --no-deps --require-hashes --requirement requirements/gpu.txt

FROM python:${PYTHON} AS base
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="elenco" \
      org.opencontainers.image.description="A face recogniser of popular actors, refreshed every day" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# HOME: the only place, beside the volumes, that can be written to in a read-only container.
ENV PATH=/opt/elenco/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app \
    HOME=/tmp PREFECT_HOME=/tmp/prefect ELENCO_HOME=/app ELENCO_RELEASE=${VERSION}
WORKDIR /app
# pg_dump and pg_restore, no older than the server of docker-compose.yml.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/*
RUN python -m pip uninstall --yes --root-user-action=ignore pip setuptools wheel \
    && useradd --no-create-home --home-dir /tmp --shell /usr/sbin/nologin --uid 10001 elenco \
    && mkdir backups data models prefect \
    && chown elenco:elenco backups data models prefect
COPY config config
COPY flows flows
COPY tasks tasks
COPY prefect.yaml ./
USER 10001:10001
ENTRYPOINT ["python", "-m", "elenco.ops.with_secrets", "--"]
CMD ["python", "-m", "elenco.ops.drain", "--", \
     "prefect", "worker", "start", "--pool", "elenco", "--type", "process", "--with-healthcheck"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-m", "elenco.ops.health", "http://127.0.0.1:8080/health"]

FROM base AS gpu
COPY --from=builder-gpu /opt/elenco /opt/elenco

FROM base AS cpu
COPY --from=builder /opt/elenco /opt/elenco
