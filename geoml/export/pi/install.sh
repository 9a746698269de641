#!/bin/sh
# Installs what geoml-pi needs into .venv beside this file. Safe to run again.
#   ./install.sh            on-line, pinned versions with checksums
#   ./install.sh FOLDER     off-line, from a folder of wheels (default: wheels/ beside this file, if it is there);
#                           ./fetch-wheels.sh fills one on a computer with a network
set -eu
fail() { echo "install.sh: $$1" >&2; exit 2; }
here=$$(dirname "$$(readlink -f "$$0")")
wheels=$$here/wheels
if [ $$# -gt 0 ]; then
    [ -d "$$1" ] || fail "no such folder: $$1"
    wheels=$$(readlink -f "$$1")
fi
cd "$$here"

sha256sum --check --quiet SHA256SUMS || fail "this bundle is damaged: unpack it again, or copy it again"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Python 3.11 or newer is needed (Raspberry Pi OS 12 has it)"
python3 -c 'import ensurepip' 2>/dev/null || fail "the module venv is missing: sudo apt install python3-venv"
free=$$(df -Pm . | awk 'NR == 2 { print $$4 }')
[ -f .venv/ready ] || [ "$$free" -ge 400 ] || fail "400 MB of disk are needed, $$free MB are left"

rm -f .venv/ready
python3 -m venv .venv
if [ -d "$$wheels" ]; then
    .venv/bin/pip install --quiet --disable-pip-version-check --no-index --find-links "$$wheels" --require-hashes -r requirements.txt ||
        fail "these wheels do not do: see above; ./fetch-wheels.sh fetches the right ones"
else
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt ||
        fail "see above; without a network: ./install.sh FOLDER_OF_WHEELS"
fi
touch .venv/ready
./geoml-pi selftest || { rm -f .venv/ready; fail "the network does not answer here as it should"; }
echo "Installed. Try: $$here/geoml-pi $task --help"
