# benchkit with a GPU. Build: docker build -f docker/gpu.Dockerfile -t benchkit:gpu .
# Run (needs NVIDIA's container toolkit):
#   docker run --rm --gpus all -v "$PWD:/bench" benchkit:gpu run --suite amazon5 --device cuda
# PyTorch's wheels bring CUDA with them; a compiler is for kernels that are built when they run.
FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m pip install --no-cache-dir "hatchling>=1.24,<2"
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim
# vLLM pins a PyTorch of its own: for it, build with EXTRAS=lm,openai,vllm and CONSTRAIN=no.
ARG EXTRAS=recbole,lm,openai,teacher,trl,plots
ARG CONSTRAIN=yes
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /wheels /wheels
RUN if [ "$CONSTRAIN" = no ]; then : > /tmp/constraints.txt; fi \
    && python -m pip install --no-cache-dir --constraint /tmp/constraints.txt \
        "$(echo /wheels/benchkit-*.whl)[${EXTRAS}]" \
    && python -m pip install --no-cache-dir --no-deps recbole==1.2.1 \
    && rm -r /wheels /tmp/constraints.txt \
    && useradd --create-home --uid 1000 benchkit
ENV OMP_NUM_THREADS=1 \
    HOME=/home/benchkit \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    BENCHKIT_KEYS=/bench/.benchkit-keys
USER 1000
WORKDIR /bench
ENTRYPOINT ["benchkit"]
CMD ["doctor"]
