# Two stages: Node and npm build the bundle; the image that runs holds Node, the bundle, its SBOM and licences, and no shell.
# Both bases are arguments, so that a mirror, a digest or a base made on the spot can take their place (docs/testing.md).
ARG NODE_IMAGE=docker.io/library/node:24.21.0-bookworm-slim
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
# Node derives its heap from the machine, not from a small memory limit; these fit 256 MiB (docs/performance.md, "Memory").
ARG NODE_HEAP="--max-old-space-size=144 --max-semi-space-size=2"

FROM ${NODE_IMAGE} AS build
WORKDIR /portal-plugin-installer
COPY package.json package-lock.json ./
# No install scripts: nothing but the bundler runs here, and its binary needs none.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY LICENSE ./
COPY installer ./installer
RUN npm run build
# Runs the program at the path, with the flags and as the user it will have: Node looks compiled code up by all three.
RUN mkdir -p /app /cache && cp -R dist/. LICENSE /app/ && chown 65532:65532 /cache
ARG NODE_HEAP
ENV NODE_OPTIONS=${NODE_HEAP}
USER 65532:65532
RUN /usr/local/bin/node installer/tools/warm-cache.ts /cache /app/portal-plugins.mjs \
    && chmod -R a=rX /cache

FROM ${RUNTIME_IMAGE}
COPY --from=build /usr/local/bin/node /nodejs/bin/node
COPY --from=build /app /app
COPY --from=build --chown=0:0 /cache /app/compile-cache
ARG NODE_HEAP
ENV NODE_OPTIONS=${NODE_HEAP} \
    MALLOC_ARENA_MAX=2 \
    NODE_COMPILE_CACHE=/app/compile-cache
USER 65532:65532
WORKDIR /home/nonroot
ENTRYPOINT ["/nodejs/bin/node", "/app/portal-plugins.mjs"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="portal-plugin-installer" \
      org.opencontainers.image.description="Installs developer-portal plugins at pod start: fetch, verify, unpack safely, validate, stage as one set" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
