"""Everything that moves: files, sockets, processes, metrics."""
