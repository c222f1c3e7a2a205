"""What ``statehousectl`` and ``statehoused`` share: their exit codes, and how they word what went wrong."""
