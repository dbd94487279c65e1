#!/bin/sh
# All tests of the page: types, pure parts, whether dist is current, and what a browser shows.
#   ROBOPPI_BIN=path/to/roboppi ./test.sh    also with a real server
set -eu
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-fund --no-audit
npm run -s check
npm run -s unit
npm run -s current
npm run -s browser
