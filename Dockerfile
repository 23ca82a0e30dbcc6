# The container images. Targets: operator (also the hub), coordinator, worker (session, runner and agent), worker-gpu.
#
#   docker build --target worker -t fedjobs-worker .
#
# An image contains the Python interpreter and its libraries, the dependencies in uv.lock, and this project. It has no shell,
# no package manager and no compiler. To debug a running pod, use kubectl debug --image=... --target=...
#
# BASE is a Debian-based image with python3 (3.11) and the venv module on the PATH.
ARG BASE=python:3.11-slim-bookworm

# ---- the base of every image: BASE without its programs ------------------------------------------------------------
FROM ${BASE} AS stripped
# Compile the standard library, because bytecode cannot be written at run time. Add names for the two users, because some
# libraries look them up. Delete the programs last: the later stages only copy from this stage.
RUN stdlib="$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
 && { python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -x 'lib2to3|/test/|site-packages|dist-packages' "$stdlib" || true; } \
 && echo 'fedjobs:x:65532:65532:fedjobs:/tmp:/nonexistent' >> /etc/passwd && echo 'fedjobs:x:65532:' >> /etc/group \
 && echo 'runner:x:65533:65532:fedjobs runner:/tmp:/nonexistent' >> /etc/passwd \
 && rm -rf "$stdlib"/ensurepip "$stdlib"/idlelib "$stdlib"/lib2to3 "$stdlib"/tkinter "$stdlib"/turtledemo "$stdlib"/test \
           "$stdlib"/site-packages/pip* "$stdlib"/site-packages/setuptools* "$stdlib"/site-packages/wheel* \
           /usr/lib/python3/dist-packages/* /usr/share/python-wheels /usr/share/perl* /usr/lib/*/perl* /usr/lib/apt \
           /usr/lib/dpkg /etc/apt /etc/cron* /etc/init.d /etc/rc*.d /etc/systemd /usr/lib/systemd /usr/lib/init \
           /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale /usr/share/bash-completion /usr/share/lintian \
           /usr/share/bug /usr/share/menu /var/cache/* /var/log/* /var/lib/apt /var/lib/dpkg/info /root/.cache /tmp/* \
 && find /usr/bin /usr/sbin /usr/libexec /usr/local/bin /usr/local/sbin ! -type d ! -name 'python3' ! -name 'python3.11' -delete

FROM scratch AS runtime
COPY --from=stripped / /
# Python writes no bytecode, and does not import from the working directory, which is the only writable one.
ENV PATH=/opt/fedjobs/bin:/usr/local/bin:/usr/bin \
    HOME=/tmp \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=2
WORKDIR /tmp
USER 65532:65532

# ---- the builder: uv, and the dependencies in uv.lock --------------------------------------------------------------
FROM ${BASE} AS uv
ARG UV_VERSION=0.13.8
# Behind a proxy with its own certificate authority, build with --secret id=ca-bundle,src=FILE and set both arguments to
# /run/secrets/ca-bundle.
ARG SSL_CERT_FILE
ARG PIP_CERT
RUN --mount=type=secret,id=ca-bundle \
    python3 -m venv /uv && /uv/bin/python -m pip install --quiet --no-cache-dir --disable-pip-version-check uv==${UV_VERSION}
# Python does not check whether bytecode is up to date, because the code in an image never changes.
ENV UV_PYTHON_DOWNLOADS=never \
    UV_LINK_MODE=copy \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_PROGRESS=1 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
# Unused parts of TensorFlow's dependencies: headers, a C++ parser and TensorBoard's server.
ENV UNUSED="bin/activate* bin/*.bat bin/tensorboard bin/toco* bin/tf* bin/pip* bin/wheel lib/python3.11/site-packages/clang \
    lib/python3.11/site-packages/tensorflow/include lib/python3.11/site-packages/tensorboard_data_server/bin"
WORKDIR /src

# The locked dependencies as requirements files with hashes. The layers below are rebuilt only if a dependency changes, and
# not with every change of pyproject.toml. Only users' machines need matplotlib; the operator and the hub do not need numpy.
FROM uv AS lock
ARG EXPORT="/uv/bin/uv export --quiet --frozen --no-dev --no-emit-project --no-header --prune matplotlib"
COPY pyproject.toml uv.lock ./
RUN $EXPORT --extra operator --prune numpy -o /lock/operator.txt \
 && $EXPORT --extra coordinator -o /lock/coordinator.txt \
 && $EXPORT --extra worker --extra agent -o /lock/worker.txt

FROM uv AS operator-dependencies
ARG SSL_CERT_FILE
COPY --from=lock /lock/operator.txt ./
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/root/.cache/uv \
    /uv/bin/uv venv --no-config --python "$(command -v python3)" /opt/fedjobs \
 && /uv/bin/uv pip sync --no-config --require-hashes --python /opt/fedjobs operator.txt \
 && cd /opt/fedjobs && rm -rf $UNUSED

# TFF's local runtime is a binary of 300 MB whose process outlives its parent. The coordinator never starts it, but importing
# TFF requires that the file exists. An empty file makes a program that tries to start it fail immediately.
FROM uv AS coordinator-dependencies
ARG SSL_CERT_FILE
COPY --from=lock /lock/coordinator.txt ./
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/root/.cache/uv \
    /uv/bin/uv venv --no-config --python "$(command -v python3)" /opt/fedjobs \
 && /uv/bin/uv pip sync --no-config --require-hashes --python /opt/fedjobs coordinator.txt \
 && cd /opt/fedjobs && rm -rf $UNUSED && truncate -s 0 lib/python3.11/site-packages/tensorflow_federated/data/worker_binary

FROM uv AS worker-dependencies
ARG SSL_CERT_FILE
COPY --from=lock /lock/worker.txt ./
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/root/.cache/uv \
    /uv/bin/uv venv --no-config --python "$(command -v python3)" /opt/fedjobs \
 && /uv/bin/uv pip sync --no-config --require-hashes --python /opt/fedjobs worker.txt \
 && cd /opt/fedjobs && rm -rf $UNUSED

# uv.lock has tensorflow-cpu, and not TensorFlow's build for GPUs, which has the same modules and dependencies. This stage
# replaces it, with pinned versions. The list is that of tensorflow[and-cuda] in this release, without TensorRT, which has no
# package for Python 3.11.
FROM worker-dependencies AS worker-gpu-dependencies
ARG SSL_CERT_FILE
ARG GPU_PACKAGES="tensorflow==2.14.1 nvidia-cublas-cu11==11.11.3.6 nvidia-cuda-cupti-cu11==11.8.87 \
    nvidia-cuda-nvcc-cu11==11.8.89 nvidia-cuda-runtime-cu11==11.8.89 nvidia-cudnn-cu11==8.7.0.84 nvidia-cufft-cu11==10.9.0.58 \
    nvidia-curand-cu11==10.3.0.86 nvidia-cusolver-cu11==11.4.1.48 nvidia-cusparse-cu11==11.7.5.86 nvidia-nccl-cu11==2.16.5"
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/root/.cache/uv \
    /uv/bin/uv pip uninstall --python /opt/fedjobs tensorflow-cpu \
 && /uv/bin/uv pip install --no-config --no-deps --python /opt/fedjobs $GPU_PACKAGES \
 && cd /opt/fedjobs && rm -rf $UNUSED

# The project's code is the last layer. It is small, the same in every image, and rebuilt in seconds.
FROM uv AS project
ARG SSL_CERT_FILE
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY common common
COPY compute compute
COPY coordinator coordinator
COPY operator operator
COPY protocol protocol
COPY verifier verifier
COPY worker worker
RUN --mount=type=secret,id=ca-bundle --mount=type=cache,target=/root/.cache/uv \
    /uv/bin/uv build --quiet --wheel --out-dir /dist . \
 && /uv/bin/uv pip install --quiet --no-deps --python "$(command -v python3)" --target /project /dist/*.whl \
 && rm -rf /project/bin /project/.lock

# ---- the images ----------------------------------------------------------------------------------------------------
FROM runtime AS operator
COPY --from=operator-dependencies /opt/fedjobs /opt/fedjobs
COPY --from=project /project /opt/fedjobs/lib/python3.11/site-packages
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fedjobs operator" \
      org.opencontainers.image.description="Runs FederatedJobs on a Kubernetes cluster" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["/opt/fedjobs/bin/python", "-m", "fedjobs_operator"]

FROM runtime AS coordinator
COPY --from=coordinator-dependencies /opt/fedjobs /opt/fedjobs
COPY --from=project /project /opt/fedjobs/lib/python3.11/site-packages
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fedjobs coordinator" \
      org.opencontainers.image.description="Runs the program of a FederatedJob and aggregates the silos' results" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["/opt/fedjobs/bin/python", "-m", "fedjobs_coordinator"]

FROM runtime AS worker
COPY --from=worker-dependencies /opt/fedjobs /opt/fedjobs
COPY --from=project /project /opt/fedjobs/lib/python3.11/site-packages
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fedjobs worker" \
      org.opencontainers.image.description="A silo's side: agent, session and runner; it dials out and computes on the silo's data" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["/opt/fedjobs/bin/python", "-m", "fedjobs_worker"]

# With the CUDA libraries. The node provides the driver, and the pod's resources define which GPUs it sees.
FROM runtime AS worker-gpu
COPY --from=worker-gpu-dependencies /opt/fedjobs /opt/fedjobs
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=project /project /opt/fedjobs/lib/python3.11/site-packages
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="fedjobs worker for GPUs" \
      org.opencontainers.image.description="A silo's side: agent, session and runner; it dials out and computes on the silo's data" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["/opt/fedjobs/bin/python", "-m", "fedjobs_worker"]
