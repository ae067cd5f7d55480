# aerun in a container. The image itself has not been built by those who wrote this file: what it installs was installed with pip in a fresh
# environment of Python 3.11, and with the sources removed `aerun` was run there on the digits and on a table. That is all that was
# tested. Build and run:
#   docker build -t aerun .
#   docker run --rm -v "$PWD:/work" aerun
#   docker run --rm -v "$PWD:/work" aerun dataset=table dataset.path=FILE
FROM python:3.11-slim

COPY . /src
RUN pip install --no-cache-dir '/src[data,export,search,sweep]' \
    && rm -r /src

WORKDIR /work
ENTRYPOINT ["aerun"]
