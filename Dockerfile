# The service for every platform that runs containers: docs/containers.md.
# BASE is Debian, or made from it, with Python 3.11 or newer; it builds, and it runs what was built.
ARG BASE=docker.io/library/python:3.13-slim

# Packages, which change least: the longest step, and nearly all of the image.
FROM ${BASE} AS packages
ARG REQUIREMENTS=requirements.txt
WORKDIR /build
COPY bin/common.sh bin/
COPY requirements*.txt ./
# After the command comes $0, by which common.sh finds the project. No package needs pip, or the tests of its own.
RUN sh -eu -c '. bin/common.sh; make_environment /opt/venv "$1"' bin/build "${REQUIREMENTS}" \
    && /opt/venv/bin/pip uninstall --yes --quiet pip setuptools \
    && find /opt/venv/lib/python*/site-packages -mindepth 2 -type d -name tests -prune -exec rm -r {} +

FROM packages AS code
WORKDIR /srv/model-serving
COPY LICENSE main.py ./
COPY conf conf
COPY client client
COPY model_serving model_serving
# The user of the service can write no bytecode. By their hashes, files that are mounted over these are seen to differ.
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode checked-hash main.py model_serving

FROM ${BASE}
COPY --from=packages /opt/venv /opt/venv
WORKDIR /srv/model-serving
COPY --from=code /srv/model-serving ./
# Last, so that another model file is another small layer.
COPY data data
ENV PATH=/opt/venv/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=8080
EXPOSE 8080
# Of numbers, so that Kubernetes sees that it is not root. Any other user will do, root as well.
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s CMD ["python", "-c", "\
import http.client, os; \
port = int(os.environ.get('AIP_HTTP_PORT') or os.environ['PORT']); \
service = http.client.HTTPConnection('127.0.0.1', port, timeout=4); \
service.request('GET', '/health/ready'); \
exit(service.getresponse().status != 200)"]
# SageMaker gives `serve` itself. Gunicorn takes the place of the command, as the first process of the container.
ENTRYPOINT ["python", "-m", "model_serving"]
CMD ["serve"]
