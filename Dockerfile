# Two images from one file: `docker build --target service .` and `docker build --target emulator .`
# Everything from PyPI is checked against the hashes in deploy/image/*.lock (made by `make lock`).

FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY deploy/image/build.lock ./
RUN python -m venv tools && tools/bin/pip install --require-hashes -r build.lock
COPY pyproject.toml README.md LICENSE ./
COPY pagereel pagereel
COPY service service
COPY handlers handlers
COPY metrics metrics
COPY emulator emulator
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir wheels .

FROM build AS install-service
COPY deploy/image/service.lock ./
RUN python -m venv /opt/pagereel \
    && /opt/pagereel/bin/pip install --require-hashes -r service.lock \
    && /opt/pagereel/bin/pip install --no-deps --no-index wheels/*.whl

FROM build AS install-emulator
COPY deploy/image/emulator.lock ./
RUN python -m venv /opt/pagereel \
    && /opt/pagereel/bin/pip install --require-hashes -r emulator.lock \
    && /opt/pagereel/bin/pip install --no-deps --no-index wheels/*.whl

# The process writes only to /var/lib/pagereel (the SQLite file, where there is one) and /tmp.
FROM python:3.11-slim-bookworm AS runtime
RUN groupadd --system --gid 10001 pagereel \
    && useradd --system --uid 10001 --gid pagereel --home-dir /var/lib/pagereel --shell /usr/sbin/nologin pagereel \
    && install -d -o pagereel -g pagereel /var/lib/pagereel /etc/pagereel
ENV PATH=/opt/pagereel/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /var/lib/pagereel
USER 10001:10001

# What opens real pages: browser, screen and sound.
FROM runtime AS emulator
USER 0
# Debian's own names, without versions: a pinned one vanishes from the mirror with its next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji pulseaudio xvfb \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001
ENV HOME=/tmp
COPY --from=install-emulator /opt/pagereel /opt/pagereel
EXPOSE 9090
ENTRYPOINT ["pagereel-emulator"]
CMD ["serve", "--config", "/etc/pagereel/emulator.toml"]

# The last stage is what a build without --target gives.
FROM runtime AS service
COPY --from=install-service /opt/pagereel /opt/pagereel
ENV PAGEREEL_SETTINGS=/etc/pagereel/pagereel.toml
VOLUME /var/lib/pagereel
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PAGEREEL_API__PORT', '8080') + '/healthz', timeout=4)"]
ENTRYPOINT ["pagereel"]
CMD ["serve"]
