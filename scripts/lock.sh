#!/usr/bin/env bash
# Resolve the lock files anew: pinned versions and hashes for every platform, no index address.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  local out=$1; shift
  "${UV:-uv}" pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-header --no-annotate --only-binary :all: --quiet "$@" -o "locks/$out.txt"
}
compile dev --all-extras
compile test --extra build --extra report --extra postgres --extra web --extra test --extra browser -c locks/dev.txt
compile demo --extra build --extra report -c locks/dev.txt
