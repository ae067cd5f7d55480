# aerun in a container. The image itself has not been built by those who wrote this file: its commands were run one by one in a fresh
# Python environment, and that is all that was tested. Build and run:
#   docker build -t aerun .
#   docker run --rm -v "$PWD:/work" aerun
#   docker run --rm -v "$PWD:/work" aerun dataset=table dataset.path=FILE
FROM python:3.11-slim

COPY . /src
RUN pip install --no-cache-dir '/src[data,export,search,sweep]' \
    && rm -r /src

WORKDIR /work
ENTRYPOINT ["aerun"]
