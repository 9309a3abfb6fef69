"""The folders here are reviewed, never imported: some hold test files and broken programs on purpose."""

collect_ignore_glob = ["*"]
