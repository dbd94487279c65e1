# What the hidden parts of pages can use. $PAGES is where agents and outputs go, $REPOSITORY where the examples are.

# agent NAME [SCRIPT]: has the program NAME print what Claude Code prints, after SCRIPT.
agent() {
  printf '#!/usr/bin/env bash\n[ "$1" = --version ] || {\n%s\n}\nexec "%s" "$@"\n' "${2-:}" "$PAGES/fake_claude" > "$PAGES/bin/$1"
  chmod +x "$PAGES/bin/$1"
}

# prints NAME FILE: has the program NAME print a file.
prints() {
  printf '#!/usr/bin/env bash\ncat > /dev/null\ncat "%s"\n' "$2" > "$PAGES/bin/$1"
  chmod +x "$PAGES/bin/$1"
}

# next_handle r17: the next run has this handle.
next_handle() {
  mkdir -p "$XDG_STATE_HOME/roboppi/handles"
  ln -s ../runs/gone "$XDG_STATE_HOME/roboppi/handles/r$((${1#r} - 1))"
}

# copy_examples: as they are in the repository, without what was built there.
copy_examples() {
  mkdir -p examples && (cd "$REPOSITORY/examples" && tar -cf - --exclude target .) | tar -xf - -C examples
}

# await COMMAND: until it succeeds, and no longer than a minute or so.
await() {
  for _ in {1..2000}; do
    if eval "$1"; then return; fi
    read -rt 0.02 -u 9 9<> <(:)
  done
  echo "in vain: $1"
  return 1
}

# The project of README.md.
makefile() {
  printf 'test:\n\t%s\npackage:\n\tmkdir -p dist && echo > dist/release.tar.gz\n' "${1:-echo tested}" > Makefile
}

# The agents of README.md, and a repository for them.
agents() {
  agent claude && prints codex "$REPOSITORY/crates/worker-adapters/tests/transcripts/codex/text.jsonl"
  git init --quiet && echo '{"mcpServers": {}}' > mcp.json
}

# A run that goes on, one step of which has failed.
live_run() {
  cat > live.yaml <<'EOT'
name: live
version: "1"
timeout: 5m
steps:
  test: {worker: CUSTOM, capabilities: [READ], instructions: exit 1}
  serve: {worker: CUSTOM, capabilities: [READ], instructions: sleep 300}
EOT
  roboppi workflow run live.yaml > lines.txt 2>&1 &
  await 'roboppi show -1 2> /dev/null | grep -q "test .*failed"'
}

last_run_is_r17() {
  wait
  next_handle r17 && roboppi workflow run release.yaml
}

# A run that failed for a reason that is gone.
failed_run() {
  makefile false
  roboppi workflow run release.yaml
  [ $? = 1 ] && makefile
}
