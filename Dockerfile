# The steps are those that .ci/run takes; a test compares them.
FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY .ci/locked.txt .ci/
RUN python3 -m venv /opt/bytereel
RUN /opt/bytereel/bin/pip install -q --require-hashes --only-binary :all: -r .ci/locked.txt
COPY pyproject.toml setup.cfg README.md ./
COPY server server
COPY sql sql
RUN /opt/bytereel/bin/pip wheel -q --no-deps --no-build-isolation -w /dist .
RUN /opt/bytereel/bin/pip install -q --no-deps --no-index /dist/bytereel-*.whl

FROM python:3.11-slim-bookworm
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/bytereel /opt/bytereel
RUN useradd --system --create-home --home-dir /var/lib/bytereel bytereel
USER bytereel
ENV PATH=/opt/bytereel/bin:$PATH BYTEREEL_HOST=0.0.0.0 BYTEREEL_DATA_DIR=/var/lib/bytereel/data
VOLUME /var/lib/bytereel
EXPOSE 8080
HEALTHCHECK CMD python3 -c "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('BYTEREEL_PORT', '8080') + '/healthz')"
ENTRYPOINT ["tini", "--", "bytereel"]
CMD ["serve"]
