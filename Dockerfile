# The operator alone in an image: no shell, no package manager, no file but one. It is for the
# architecture of the machine that builds it: `docker build --tag REGISTRY/kaspr-operator:0.1.0 .`
FROM rust:1.95.0-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends musl-tools
WORKDIR /src
# The toolchain and the target first: they change less often than the sources.
COPY rust-toolchain.toml .
RUN rustup target add "$(uname -m)-unknown-linux-musl"
COPY . .
# A static binary, with the C and assembly of its cryptography and compression built against musl too.
RUN TARGET_CC=musl-gcc cargo build --locked --release --package kaspr-runtime \
      --target "$(uname -m)-unknown-linux-musl" \
    && mv "target/$(uname -m)-unknown-linux-musl/release/kaspr-operator" /kaspr-operator

FROM scratch
ARG REVISION=unknown
LABEL org.opencontainers.image.title="kaspr-operator" \
      org.opencontainers.image.description="Runs Kaspr apps on Kubernetes" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /kaspr-operator /kaspr-operator
# A number, so that a kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 8000
ENTRYPOINT ["/kaspr-operator"]
CMD ["run"]
