# One image for the code location, the webserver, the daemon and the runs: same packages, other command.
#
# --build-arg PYTHON=3.11 or 3.12 takes another Python. What is pulled stands here word for word, with its
# digest: dependabot renews no name that is made of variables.
ARG PYTHON=3.13
FROM python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS with-3.11
FROM python:3.12-slim-bookworm@sha256:782412e85d0f0984994c290652577d4018aff08145c85b262bb63dc0c7522254 AS with-3.12
FROM python:3.13-slim-bookworm@sha256:a1165e272e578941b84abc79e4ab38a0305cd12803a5c4247979ac7655f4d641 AS with-3.13

# hadolint ignore=DL3006
FROM with-${PYTHON} AS build
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH DBT_SEND_ANONYMOUS_USAGE_STATS=false
RUN python -m venv /opt/venv
COPY requirements/production.txt requirements/production.txt
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements/production.txt
COPY pyproject.toml README.md dagster.yaml ./
COPY predictit_assets predictit_assets
COPY dbt_project dbt_project
COPY deploy/bake.py deploy/bake.py
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation -e .
# What dbt would parse at each start. The folder is that of everything local, for whoever mounts none.
RUN python deploy/bake.py && mkdir /app/state

# hadolint ignore=DL3006
FROM with-${PYTHON}
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY --from=build --chown=10001:10001 /app/state /var/lib/predictit
COPY deploy/dagster.yaml deploy/workspace.yaml /opt/dagster/
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/var/lib/predictit \
    PREDICTIT_HOME=/var/lib/predictit \
    DAGSTER_HOME=/opt/dagster \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    DO_NOT_TRACK=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 4000
HEALTHCHECK --interval=30s --timeout=15s --start-period=90s CMD ["dagster", "api", "grpc-health-check", "-p", "4000"]
CMD ["dagster", "api", "grpc", "-h", "0.0.0.0", "-p", "4000", "-m", "predictit_assets.definitions"]
