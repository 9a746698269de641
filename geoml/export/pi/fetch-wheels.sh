#!/bin/sh
# On a computer with a network and pip: fetches the wheels of a 64-bit Raspberry Pi OS into wheels/ beside this file.
#   ./fetch-wheels.sh [PYTHON]       PYTHON of the Pi: 3.11 (Raspberry Pi OS 12, the default), 3.13 (13)
set -eu
cd "$$(dirname "$$(readlink -f "$$0")")"
platforms=""
for glibc in 2_17 2_24 2_26 2_27 2_28 2_31 2_34 2_35 2_36; do platforms="$$platforms --platform manylinux_$${glibc}_aarch64"; done
# shellcheck disable=SC2086
python3 -m pip download --require-hashes --no-deps --only-binary :all: --implementation cp --python-version "$${1:-3.11}" \
    $$platforms --platform manylinux2014_aarch64 --dest wheels -r requirements.txt
