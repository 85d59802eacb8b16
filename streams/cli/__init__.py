"""The `ktrig` command: one file a subcommand, each thin over the library."""
