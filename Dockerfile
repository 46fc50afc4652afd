# Everything in one process; the same image runs the worker and the schedule (compose.yaml).
FROM python:3.13-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 MAESTRO_DATA_DIR=/data
WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY maestro_site maestro_site
COPY gateway_app gateway_app
COPY pipelines_app pipelines_app
COPY context_app context_app
COPY sessions_app sessions_app
COPY providers_app providers_app
RUN pip install -c constraints.txt '.[postgres]' && pip uninstall -y maestro && adduser --system --group maestro \
    && mkdir /data && chown maestro:maestro /data
COPY manage.py ./
COPY templates templates
COPY static static
USER maestro
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["python", "manage.py", "up", "--host", "0.0.0.0"]
