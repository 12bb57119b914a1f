# benchkit on a CPU. Build: docker build -t benchkit .
# Run, with data, runs and tables in the current folder:
#   docker run --rm -v "$PWD:/bench" --user "$(id -u):$(id -g)" benchkit run --suite quickstart
FROM python:3.11-slim AS build
WORKDIR /source
RUN python -m pip install --no-cache-dir "hatchling>=1.24,<2"
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM python:3.11-slim
# Extras of pyproject.toml, and where PyTorch is looked for besides the usual index (its CPU builds
# are smaller): docker build --build-arg EXTRAS=plots --build-arg TORCH_INDEX=ADDRESS .
ARG EXTRAS=recbole,lm,openai,teacher,plots
ARG TORCH_INDEX=""
COPY constraints.txt /tmp/constraints.txt
COPY --from=build /wheels /wheels
RUN python -m pip install --no-cache-dir --constraint /tmp/constraints.txt \
        ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
        "$(echo /wheels/benchkit-*.whl)[${EXTRAS}]" \
    && python -m pip install --no-cache-dir --no-deps recbole==1.2.1 \
    && rm -r /wheels /tmp/constraints.txt \
    && useradd --create-home --uid 1000 benchkit
ENV OMP_NUM_THREADS=1 \
    HOME=/home/benchkit \
    BENCHKIT_KEYS=/bench/.benchkit-keys
USER 1000
WORKDIR /bench
ENTRYPOINT ["benchkit"]
CMD ["doctor"]
