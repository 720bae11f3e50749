UPDATE schema_needs SET oldest_release = 1;
